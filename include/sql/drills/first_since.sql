-- The first event of a topic that the shop recorded after a moment, and where Kafka has it.
SELECT topic, "partition", "offset" FROM realtime_events
WHERE kind = %(topic)s AND recorded_at > %(moment)s AND occurred_at > %(moment)s::timestamptz - INTERVAL '1 minute'
ORDER BY recorded_at LIMIT 1
