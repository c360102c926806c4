-- Dead letters after one, the oldest first, that have not been replayed, as many as fit; one whose id the warehouse knows, or that another letter's replay has brought and nobody has refused since, has nothing to bring.
WITH page AS (
    SELECT d.*, sum(octet_length(d.body)) OVER (ORDER BY d.arrived_at, d.topic, d."partition", d."offset") - octet_length(d.body) AS bytes_before
    FROM (
        SELECT topic, "partition", "offset", reason, message_key, body, arrived_at, event_id
        FROM dead_letters
        WHERE replayed_at IS NULL AND body IS NOT NULL
            AND (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)
            AND (arrived_at, topic, "partition", "offset") > (%(after)s::timestamptz, %(after_topic)s, %(after_partition)s, %(after_offset)s)
        ORDER BY arrived_at, topic, "partition", "offset" LIMIT %(limit)s
    ) AS d
)
SELECT p.topic, p."partition", p."offset", p.reason, p.message_key, p.body, p.arrived_at,
    EXISTS (SELECT FROM realtime_events e WHERE e.event_id = p.event_id)
    OR EXISTS (
        SELECT FROM dead_letters replayed
        WHERE replayed.event_id = p.event_id AND replayed.replayed_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM dead_letters refused WHERE refused.event_id = p.event_id AND refused.arrived_at > replayed.replayed_at)
    ) AS known
FROM page p
WHERE p.bytes_before < %(bytes)s
ORDER BY p.arrived_at, p.topic, p."partition", p."offset"
