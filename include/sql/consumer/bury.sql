-- Keep a refused message with its reason; read again, it changes nothing.
INSERT INTO dead_letters (topic, "partition", "offset", reason, detail, event_id, message_key, body, published_at)
VALUES (%(topic)s, %(partition)s, %(offset)s, %(reason)s, %(detail)s, %(event_id)s, %(key)s, %(body)s, %(published_at)s)
ON CONFLICT (topic, "partition", "offset") DO NOTHING
