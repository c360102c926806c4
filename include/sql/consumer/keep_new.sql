-- Keep what is new of the batch; an event that is already there changes nothing.
INSERT INTO realtime_events (event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset", payload)
SELECT event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset", payload FROM incoming
ON CONFLICT (event_id) DO NOTHING
