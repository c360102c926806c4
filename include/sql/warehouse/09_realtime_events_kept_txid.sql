-- The warehouse's own transaction that kept the row: what the build pages by. Rows from before the column get 0; no table is rewritten.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'realtime_events'::regclass AND attname = 'kept_txid' AND NOT attisdropped) THEN
        ALTER TABLE realtime_events ADD COLUMN kept_txid bigint NOT NULL DEFAULT 0;
        ALTER TABLE realtime_events ALTER COLUMN kept_txid SET DEFAULT pg_current_xact_id()::text::bigint;
    END IF;
END
$$
