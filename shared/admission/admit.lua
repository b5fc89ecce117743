-- Decide and conclude the calls of one batch, in order, in one round trip.
--
-- KEYS    three for each item, '' where it has none:
--           claim    string, 'run:<owner>' while a call runs, 'done:<owner>' after it
--           limit    list of admitted times (window) or string with the theoretical arrival time (gcra)
--           replay   string, gcra of the replay limit
-- ARGV[1] now in microseconds since 2025, or '' for this server's clock: only tests bring their own, so clocks of processes never matter
-- ARGV[2] replay limit: requests      ARGV[3] replay limit: window in microseconds
-- then six for each item:
--           op       'window', 'gcra': spend that kind of limit, then claim   'free': only claim
--                    'end': conclude the claim
--           requests, window in microseconds, cost
--           owner    id of the call
--           life     milliseconds: of the claim; for 'end' of the done mark, 0 to free the key
-- Returns one text: for each item five integers separated by blanks: outcome remaining retry_us reset_us claimed
--
-- The arithmetic is that of sliding_window.py and gcra.py, where it is explained. Times are written with '%.3f': Lua's own conversion
-- would round them.

local GO, RESUME, REPLAY, RUNNING, OVER_LIMIT, OVER_REPLAY_LIMIT = 0, 1, 2, 3, 4, 5
local SLACK_US = 0.1
local MAX_EXPIRED_PER_CALL = 64

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = (tonumber(time[1]) - 1735689600) * 1000000 + tonumber(time[2])
end

local function write(number)
    return string.format('%.3f', number)
end

local function spend_gcra(key, requests, window, cost)
    local interval = window / requests
    local horizon = now + window
    local stored = tonumber(redis.call('GET', key)) or now
    local paid = math.min(math.max(stored, now), horizon)
    local after = paid + cost * interval
    local allowed = after <= horizon + SLACK_US
    local kept = allowed and after or paid
    if allowed or stored > horizon then
        redis.call('SET', key, write(kept), 'PX', math.ceil((kept - now) / 1000) + 1)
    end
    local remaining = math.max(0, math.floor((horizon - kept + SLACK_US) / interval))
    return allowed, remaining, allowed and 0 or math.ceil(after - horizon), math.ceil(kept - now)
end

local function forget_future(key)
    local future = 0
    local newest = tonumber(redis.call('LINDEX', key, -1))
    while newest and newest > now do
        redis.call('RPOP', key)
        future = future + 1
        newest = tonumber(redis.call('LINDEX', key, -1))
    end
    for _ = 1, future do
        redis.call('RPUSH', key, write(now))
    end
    return future > 0 and now or newest
end

local function spend_window(key, requests, window)
    local newest = forget_future(key)
    local oldest_kept = now - window
    local oldest = tonumber(redis.call('LINDEX', key, 0))
    for _ = 1, MAX_EXPIRED_PER_CALL do
        if not oldest or oldest > oldest_kept then
            break
        end
        redis.call('LPOP', key)
        oldest = tonumber(redis.call('LINDEX', key, 0))
    end
    local count = redis.call('LLEN', key)
    local allowed = count < requests
    if allowed then
        count = redis.call('RPUSH', key, write(now))
        redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1)
        newest = now
    end
    local retry = 0
    if not allowed then
        retry = math.floor(tonumber(redis.call('LINDEX', key, -requests)) - oldest_kept)
    end
    return allowed, math.max(0, requests - count), retry, math.floor(newest - oldest_kept)
end

local function conclude(claim, owner, life)
    if redis.call('GET', claim) ~= 'run:' .. owner then
        return
    end
    if life > 0 then
        redis.call('SET', claim, 'done:' .. owner, 'PX', life)
    else
        redis.call('DEL', claim)
    end
end

local function decide(claim, limit, replay, op, requests, window, cost, owner, life)
    local known = claim ~= '' and redis.call('GET', claim)
    if known == 'run:' .. owner then
        redis.call('PEXPIRE', claim, life)
        return RESUME, 0, 0, 0, 1
    elseif known == 'done:' .. owner then
        return RESUME, 0, 0, 0, 0
    elseif known then
        local allowed, remaining, retry, reset = spend_gcra(replay, tonumber(ARGV[2]), tonumber(ARGV[3]), 1)
        if not allowed then
            return OVER_REPLAY_LIMIT, remaining, retry, reset, 0
        end
        return string.sub(known, 1, 5) == 'done:' and REPLAY or RUNNING, remaining, retry, reset, 0
    end
    local allowed, remaining, retry, reset = true, 0, 0, 0
    if op == 'window' then
        allowed, remaining, retry, reset = spend_window(limit, requests, window)
    elseif op == 'gcra' then
        allowed, remaining, retry, reset = spend_gcra(limit, requests, window, cost)
    end
    if not allowed then
        return OVER_LIMIT, remaining, retry, reset, 0
    end
    if claim == '' then
        return GO, remaining, retry, reset, 0
    end
    redis.call('SET', claim, 'run:' .. owner, 'PX', life)
    return GO, remaining, retry, reset, 1
end

local out = {}
for item = 1, #KEYS / 3 do
    local key, arg = (item - 1) * 3, (item - 1) * 6 + 3
    local op, owner, life = ARGV[arg + 1], ARGV[arg + 5], tonumber(ARGV[arg + 6])
    if op == 'end' then
        conclude(KEYS[key + 1], owner, life)
        out[item] = '0 0 0 0 0'
    else
        out[item] = string.format(
            '%d %d %.0f %.0f %d',
            decide(
                KEYS[key + 1], KEYS[key + 2], KEYS[key + 3],
                op, tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4]), owner, life
            )
        )
    end
end
return table.concat(out, ' ')
