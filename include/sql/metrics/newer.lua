-- Keep a window's values unless they are older than what is there: (checkpoint's begin, batch) orders them.
-- What fills a Redis that was lost ('fill') gives a window that is as new only what is not there: Spark writes again only what changes.
local known = redis.call('HGET', KEYS[1], 'written')
if known then
    local checkpoint, batch = string.match(known, '^(%d+) (%d+)')
    checkpoint, batch = tonumber(checkpoint), tonumber(batch)
    local ours, number = tonumber(ARGV[1]), tonumber(ARGV[2])
    if checkpoint > ours then
        return 0
    end
    if checkpoint == ours and batch >= number and ARGV[5] == 'fill' then
        local filled = 0
        for at = 6, #ARGV, 2 do
            filled = filled + redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1])
        end
        if filled > 0 then -- The same order, another moment: who keeps the window under its mark reads it again.
            redis.call('HSET', KEYS[1], 'written', string.match(known, '^%d+ %d+') .. ' ' .. ARGV[3])
        end
        return 0
    end
    if checkpoint == ours and batch > number then
        return 0
    end
    if checkpoint < ours then
        redis.call('DEL', KEYS[1])
    end
end
for at = 6, #ARGV, 2000 do -- Lua hands on some thousand values at once, and no more.
    redis.call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 1999, #ARGV)))
end
redis.call('HSET', KEYS[1], 'written', ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
redis.call('EXPIREAT', KEYS[1], ARGV[4])
return 1
