-- A batch lands here first; it is gone with its transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DELETE ROWS AS
SELECT event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset", payload FROM realtime_events WITH NO DATA
