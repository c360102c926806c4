-- A batch lands here first; it is gone with its transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (LIKE realtime_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
