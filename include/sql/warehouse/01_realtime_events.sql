-- Every event of every topic once, as it came; a UUIDv7 is ordered by time, so its days are ranges of ids and the id alone is the key.
CREATE TABLE IF NOT EXISTS realtime_events (
    event_id uuid PRIMARY KEY,
    kind text NOT NULL,
    schema_version smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    txid bigint NOT NULL,
    topic text NOT NULL,
    "partition" integer NOT NULL,
    "offset" bigint NOT NULL,
    arrived_at timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL,
    kept_txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
) PARTITION BY RANGE (event_id)
