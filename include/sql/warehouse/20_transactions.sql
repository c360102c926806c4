-- The newest version of each transaction.
CREATE TABLE IF NOT EXISTS warehouse.transactions (
    transaction_id uuid PRIMARY KEY,
    version smallint NOT NULL,
    status text NOT NULL,
    customer_id bigint NOT NULL,
    session_id uuid NOT NULL,
    payment_method text NOT NULL,
    currency text NOT NULL,
    gross_cents bigint NOT NULL,
    discount_cents bigint NOT NULL,
    net_cents bigint NOT NULL,
    tax_cents bigint NOT NULL,
    total_cents bigint NOT NULL,
    lines smallint NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    txid bigint NOT NULL,
    "partition" integer NOT NULL
)
