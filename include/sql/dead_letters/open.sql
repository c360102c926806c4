-- Dead letters after one, the oldest first, that have not been replayed; one whose id the warehouse knows, or that was replayed by another letter, has nothing to bring.
SELECT d.topic, d."partition", d."offset", d.reason, d.message_key, d.body, d.arrived_at,
    EXISTS (SELECT FROM realtime_events e WHERE e.event_id = d.event_id)
    OR d.event_id IN (SELECT event_id FROM dead_letters WHERE replayed_at IS NOT NULL AND event_id IS NOT NULL) AS known
FROM dead_letters d
WHERE d.replayed_at IS NULL AND d.body IS NOT NULL
    AND (%(reason)s::text IS NULL OR d.reason = %(reason)s) AND (%(topic)s::text IS NULL OR d.topic = %(topic)s)
    AND (d.arrived_at, d.topic, d."partition", d."offset") > (%(after)s::timestamptz, %(after_topic)s, %(after_partition)s, %(after_offset)s)
ORDER BY d.arrived_at, d.topic, d."partition", d."offset" LIMIT %(limit)s
