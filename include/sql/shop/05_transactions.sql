-- Append-only: each status of an order is a row of its own, with its lines.
CREATE TABLE IF NOT EXISTS transactions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id uuid NOT NULL,
    version integer NOT NULL,
    status text NOT NULL CHECK (status IN ('created', 'paid', 'failed', 'refunded')),
    customer_id bigint NOT NULL,
    session_id uuid NOT NULL,
    payment_method text NOT NULL,
    currency text NOT NULL DEFAULT 'EUR',
    gross_cents bigint NOT NULL,
    discount_cents bigint NOT NULL,
    net_cents bigint NOT NULL CHECK (net_cents = gross_cents - discount_cents),
    tax_cents bigint NOT NULL,
    total_cents bigint NOT NULL CHECK (total_cents = net_cents + tax_cents),
    lines jsonb NOT NULL,
    UNIQUE (transaction_id, version)
)
