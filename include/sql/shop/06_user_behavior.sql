-- What visitors do on the pages.
CREATE TABLE IF NOT EXISTS user_behavior (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_id uuid NOT NULL,
    customer_id bigint,
    action text NOT NULL,
    page text NOT NULL,
    product_id bigint,
    device text NOT NULL
)
