-- An order's lines as the text that was written: the producer passes them on, and jsonb would be spelled out anew for each event.
-- The feed view keeps its place meanwhile and is put back as it was, so nobody finds it missing.
DO $$
DECLARE
    feed regclass := to_regclass('feed.transactions');
    body text := pg_get_viewdef(feed);
BEGIN
    IF feed IS NOT NULL THEN
        CREATE OR REPLACE VIEW feed.transactions AS SELECT txid, id, recorded_at, NULL::text AS key, NULL::text AS body FROM transactions;
    END IF;
    ALTER TABLE transactions ALTER COLUMN lines TYPE json;
    IF feed IS NOT NULL THEN
        EXECUTE 'CREATE OR REPLACE VIEW feed.transactions AS ' || body;
    END IF;
END $$
