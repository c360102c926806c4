-- Dead letters that have not been replayed, the oldest first; one whose id the warehouse knows has nothing to bring.
SELECT d.topic, d."partition", d."offset", d.reason, d.event_id, d.message_key, d.body,
    EXISTS (SELECT FROM realtime_events e WHERE e.event_id = d.event_id) AS known
FROM dead_letters d
WHERE d.replayed_at IS NULL AND d.body IS NOT NULL
    AND (%(reason)s::text IS NULL OR d.reason = %(reason)s) AND (%(topic)s::text IS NULL OR d.topic = %(topic)s)
ORDER BY d.arrived_at, d.topic, d."partition", d."offset" LIMIT %(limit)s
