-- Decide and conclude the calls of one batch, in order, in one round trip.
--
-- ARGV[1] now in microseconds since 2025, or '' for this server's clock: only tests bring their own, so clocks of processes never matter
-- ARGV[2] the replay limit, as '<algorithm>:<requests>:<window in microseconds>'
-- ARGV[3] the items in order, as JSON: one argument, because packing and parsing hundreds of them costs more than the decisions
--   to decide    [claim, limit, replay, the limit as above or 'free', cost, owner, life of the claim in ms]
--   to conclude  [claim, owner, life of the done mark in ms or 0 to free the key]
-- where the first ones are positions in KEYS, which names each key once, or 0 for none:
--   claim    string, 'run:<owner>' while a call runs, 'done:<owner>' after it; the owner is the id of the call
--   limit    list of admitted times (window) or string with the theoretical arrival time (gcra)
--   replay   string, gcra of the replay limit
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

local limits_read = {}
local function read_limit(text)
    local limit = limits_read[text]
    if not limit then
        local algorithm, requests, window = string.match(text, '^(%a+):(%d+):(%d+)$')
        limit = {algorithm, tonumber(requests), tonumber(window)}
        limits_read[text] = limit
    end
    return limit[1], limit[2], limit[3]
end

local _, replay_requests, replay_window = read_limit(ARGV[2])

local function write(number)
    return string.format('%.3f', number)
end

-- The arrival times of this batch: each is read once and written once, however many items spend it.
local arrivals, changed = {}, {}

local function spend_gcra(key, requests, window, cost)
    local interval = window / requests
    local horizon = now + window
    local stored = arrivals[key] or tonumber(redis.call('GET', key)) or now
    local paid = math.min(math.max(stored, now), horizon)
    local after = paid + cost * interval
    local allowed = after <= horizon + SLACK_US
    local kept = allowed and after or paid
    if allowed or stored > horizon then
        changed[key] = kept
    end
    arrivals[key] = changed[key] or stored
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

local function decide(claim, limit, replay, limit_text, cost, owner, life)
    local known = claim and redis.call('GET', claim)
    if known == 'run:' .. owner then
        redis.call('PEXPIRE', claim, life)
        return RESUME, 0, 0, 0, 1
    elseif known == 'done:' .. owner then
        return RESUME, 0, 0, 0, 0
    elseif known then
        local allowed, remaining, retry, reset = spend_gcra(replay, replay_requests, replay_window, 1)
        if not allowed then
            return OVER_REPLAY_LIMIT, remaining, retry, reset, 0
        end
        return string.sub(known, 1, 5) == 'done:' and REPLAY or RUNNING, remaining, retry, reset, 0
    end
    local algorithm, requests, window = read_limit(limit_text)
    local allowed, remaining, retry, reset = true, 0, 0, 0
    if algorithm == 'window' then
        allowed, remaining, retry, reset = spend_window(limit, requests, window)
    elseif algorithm == 'gcra' then
        allowed, remaining, retry, reset = spend_gcra(limit, requests, window, cost)
    end
    if not allowed then
        return OVER_LIMIT, remaining, retry, reset, 0
    end
    if not claim then
        return GO, remaining, retry, reset, 0
    end
    redis.call('SET', claim, 'run:' .. owner, 'PX', life)
    return GO, remaining, retry, reset, 1
end

local out = {}
for position, item in ipairs(cjson.decode(ARGV[3])) do
    if #item == 3 then
        conclude(KEYS[item[1]], item[2], item[3])
        out[position] = '0 0 0 0 0'
    else
        local claim, limit, replay = KEYS[item[1]], KEYS[item[2]], KEYS[item[3]]
        out[position] = string.format('%d %.0f %.0f %.0f %d', decide(claim, limit, replay, item[4], item[5], item[6], item[7]))
    end
end
for key, kept in pairs(changed) do
    redis.call('SET', key, write(kept), 'PX', math.ceil((kept - now) / 1000) + 1)
end
return table.concat(out, ' ')
