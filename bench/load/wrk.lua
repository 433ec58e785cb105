-- Arguments: method, bytes of the body, file of cookies. Empty, 0 and empty are none.

local function cookies(name)
  local file = assert(io.open(name, "rb"))
  local length = #file:read("*l") + 1
  local lines = file:seek("end") / length
  math.randomseed(os.time())
  return function()
    file:seek("set", math.random(0, lines - 1) * length)
    return (file:read(length - 1))
  end
end

function init(args)
  if args[1] and args[1] ~= "" then wrk.method = args[1] end
  if tonumber(args[2]) > 0 then
    wrk.body = string.rep("x", tonumber(args[2]))
    wrk.headers["Content-Type"] = "application/octet-stream"
  end
  if args[3] ~= "" then
    local cookie = cookies(args[3])
    request = function()
      wrk.headers["Cookie"] = cookie()
      return wrk.format()
    end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'summary {"requests":%d,"took":%d,"bytes":%d,"errors":%d,"what":"%d connect, %d read, %d write, %d status, %d time-out","p50":%d,"p99":%d,"p999":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
