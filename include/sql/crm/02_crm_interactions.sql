-- Talks with customers; `note` is free text and stays here.
CREATE TABLE IF NOT EXISTS crm_interactions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    interaction_id uuid NOT NULL,
    customer_id bigint NOT NULL,
    transaction_id uuid,
    channel text NOT NULL,
    reason text NOT NULL,
    satisfaction smallint,
    note text NOT NULL DEFAULT ''
)
