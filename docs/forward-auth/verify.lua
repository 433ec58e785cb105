-- HAProxy's way to ask Cloakroom about a request: the action verify lets it go on with the
-- headers that the gateway says, or answers it as the gateway does.
--
--   http-request lua.verify ADDRESS-OF-THE-ENTRANCE HEADER,HEADER,…

-- What belongs to the connection or to the body, and what only the proxy says.
local withheld = {}
for _, name in ipairs({ "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
  "expect", "content-length", "host", "x-forwarded-method", "x-forwarded-uri" }) do
  withheld[name] = true
end

-- The values of a header as a list that begins with 1; HAProxy's begins with 0.
local function values(header)
  local list, i = {}, 0
  while header and header[i] do
    i = i + 1
    list[i] = header[i - 1]
  end
  return list
end

local function question(txn)
  local asked = {}
  for name, header in pairs(txn.http:req_get_headers()) do
    if not withheld[name] then
      asked[name] = values(header)
    end
  end
  asked["x-forwarded-method"] = { txn.sf:method() }
  asked["x-forwarded-uri"] = { txn.sf:pathq() }
  return asked
end

local function answer(txn, response)
  local reply = txn:reply({ status = response.status, reason = response.reason })
  for name, header in pairs(response.headers or {}) do
    if not withheld[name] then
      for _, value in ipairs(values(header)) do
        reply:add_header(name, value)
      end
    end
  end
  reply:set_body(response.body or "")
  txn:done(reply)
end

core.register_action("verify", { "http-req" }, function(txn, entrance, replaced)
  -- More than session.refresh.wait, in milliseconds.
  local response = core.httpclient():get({ url = entrance .. "/verify/haproxy", headers = question(txn), timeout = 20000 })
  if response == nil or response.status == nil then
    response = { status = 502 }
  end
  if response.status ~= 200 then
    return answer(txn, response)
  end
  for name in string.gmatch(string.lower(replaced), "[^,]+") do
    txn.http:req_del_header(name)
    for _, value in ipairs(values(response.headers[name])) do
      if value ~= "" then
        txn.http:req_add_header(name, value)
      end
    end
  end
  txn:set_var("txn.cloakroom_verified", true)
end, 2)
