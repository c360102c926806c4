-- What visitors look for; `query` is what they typed and stays here, `term` is the catalogue's word for it.
CREATE TABLE IF NOT EXISTS searches (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_id uuid NOT NULL,
    customer_id bigint,
    query text NOT NULL,
    term text,
    results integer NOT NULL
)
