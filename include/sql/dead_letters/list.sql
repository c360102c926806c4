-- Dead letters that fit, the newest first.
SELECT topic, "partition", "offset", reason, detail, event_id, arrived_at, replayed_at
FROM dead_letters
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)
ORDER BY arrived_at DESC, topic, "partition", "offset" DESC LIMIT %(limit)s
