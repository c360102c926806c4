-- One dead letter, whole.
SELECT topic, "partition", "offset", reason, detail, event_id, message_key, body, published_at, arrived_at, replayed_at
FROM dead_letters WHERE topic = %(topic)s AND "partition" = %(partition)s AND "offset" = %(offset)s
