package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // It names scripts, as servers do, and protects nothing.
	"encoding/hex"

	"github.com/redis/rueidis"
)

// script runs on the server, as one step. Servers forget scripts, on a restart or a
// failover, so each is sent by its name first and whole if the name is not known.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // See the import.
	return script{text, hex.EncodeToString(sum[:])}
}

// call is one run of a script. All its keys are one, so that it fits every Cluster.
type call struct {
	script script
	key    string
	args   []string
}

func (x call) byName(c rueidis.Client) rueidis.Completed {
	return c.B().Evalsha().Sha1(x.script.sha).Numkeys(1).Key(x.key).Arg(x.args...).Build()
}

func (x call) whole(c rueidis.Client) rueidis.Completed {
	return c.B().Eval().Script(x.script.text).Numkeys(1).Key(x.key).Arg(x.args...).Build()
}

// run makes the calls, together and in no order, and returns their results in order.
func run(ctx context.Context, c rueidis.Client, calls ...call) []rueidis.RedisResult {
	cmds := make(rueidis.Commands, len(calls))
	for i, x := range calls {
		cmds[i] = x.byName(c)
	}
	results := c.DoMulti(ctx, cmds...)
	for i, x := range calls {
		if e, ok := rueidis.IsRedisErr(results[i].Error()); ok && e.IsNoScript() {
			results[i] = c.Do(ctx, x.whole(c))
		}
	}
	return results
}

// What the scripts that write records answer.
const (
	wrote    = "ok"
	absent   = "absent"
	exists   = "exists"
	conflict = "conflict"
	strange  = "format"
	late     = "late"
)

// now is the server's clock in milliseconds.
const luaNow = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`

// luaStamp makes a score of a time in milliseconds: its lowest ten bits say in which of
// sixteen minutes it was made, and, by a count to 64, whether anybody made it since.
const luaStamp = luaNow + `
local minute = math.floor(now / 60000)
local function stamp(ms, old)
  local touches = old and (tonumber(old) + 1) % 64 or 0
  return string.format('%.0f', ms * 1024 + minute % 16 * 64 + touches)
end
local function time(score) return math.floor(tonumber(score) / 1024) end
`

// luaMove takes a hint out of its set, or moves it, if it is as it was seen.
const luaMove = `
local function move(id, seen, to)
  local score = redis.call('ZSCORE', KEYS[1], id)
  if not score or tonumber(score) ~= tonumber(seen) then return 0 end
  if to == '' then return redis.call('ZREM', KEYS[1], id) end
  redis.call('ZADD', KEYS[1], stamp(tonumber(to), score), id)
  return 1
end
`

// luaWrite refuses a write whose hints may be gone by now, and writes. The reading at the
// end makes the server tell this connection when somebody else changes the record.
const luaWrite = luaNow + `
local function timely(deadline) return deadline == '0' or now <= tonumber(deadline) end
local function write(value, expires)
  redis.call('SET', KEYS[1], value, 'PXAT', expires)
  redis.call('STRLEN', KEYS[1])
  return 'ok'
end
`

// luaVersion compares the record's head with a format and a version.
const luaVersion = `
local function differs(head)
  local there = redis.call('GETRANGE', KEYS[1], 0, 8)
  if there == '' then return 'absent' end
  if string.sub(there, 1, 1) ~= string.sub(head, 1, 1) then return 'format' end
  if there ~= head then return 'conflict' end
  return nil
end
`

// The scripts. None keeps anything between two runs, and each touches one key.
var (
	// createScript: value, expires, deadline.
	createScript = newScript(luaWrite + `
if not timely(ARGV[3]) then return 'late' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
return write(ARGV[1], ARGV[2])`)

	// replaceScript: value, expires, deadline, format and version that must be there.
	replaceScript = newScript(luaWrite + luaVersion + `
if not timely(ARGV[3]) then return 'late' end
return differs(ARGV[4]) or write(ARGV[1], ARGV[2])`)

	// deleteScript: format and version that must be there.
	deleteScript = newScript(luaVersion + `
local why = differs(ARGV[1])
if why then return why end
redis.call('DEL', KEYS[1])
return 'ok'`)

	// pointScript adds the id ARGV[1] to an index key, until ARGV[2]. The set lives as long
	// as the last of its ids; those that have expired go.
	pointScript = newScript(luaStamp + `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now * 1024))
local till, old = tonumber(ARGV[2]), redis.call('ZSCORE', KEYS[1], ARGV[1])
if old then till = math.max(till, time(old)) end
redis.call('ZADD', KEYS[1], stamp(till, old), ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', time(last[2])))
return now`)

	// scheduleScript makes the id ARGV[1] due at ARGV[2] or earlier; without a time it only
	// touches its hint, if there is one. The set lives until ARGV[3] at least.
	scheduleScript = newScript(luaStamp + `
local due, old = tonumber(ARGV[2]), redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due and not old then return {now, 0} end
if old then due = math.min(due or time(old), time(old)) end
local score = stamp(due, old)
redis.call('ZADD', KEYS[1], score, ARGV[1])
local left, wanted = redis.call('PTTL', KEYS[1]), math.max(tonumber(ARGV[3]), now + 1)
if left < wanted - now then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', wanted))
end
return {now, tonumber(score)}`)

	// correctScript takes the id ARGV[1], seen with score ARGV[2], out of a set, or moves it
	// to the time ARGV[3], unless a writer may be at it.
	correctScript = newScript(luaStamp + luaMove + `
if (minute - math.floor(tonumber(ARGV[2]) / 64)) % 16 < 2 then return 0 end
return move(ARGV[1], ARGV[2], ARGV[3])`)

	// settleScript is correctScript for the writer itself, who has written the record.
	settleScript = newScript(luaStamp + luaMove + `return move(ARGV[1], ARGV[2], ARGV[3])`)

	// nowScript has a key, so that on a Cluster the clock is always the same node's.
	nowScript = newScript(`local clock = redis.call('TIME') return {clock[1], clock[2]}`)
)
