-- Each line of a paid or refunded transaction; a refund's line has negative cents and a row of its own.
CREATE TABLE IF NOT EXISTS warehouse.transaction_items (
    event_id uuid PRIMARY KEY,
    transaction_id uuid NOT NULL,
    transaction_event_id uuid NOT NULL,
    line smallint NOT NULL,
    status text NOT NULL,
    customer_id bigint NOT NULL,
    product_id bigint NOT NULL,
    product_name text NOT NULL,
    category text NOT NULL,
    quantity bigint NOT NULL,
    unit_price_cents bigint NOT NULL,
    gross_cents bigint NOT NULL,
    discount_cents bigint NOT NULL,
    net_cents bigint NOT NULL,
    tax_cents bigint NOT NULL,
    total_cents bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    txid bigint NOT NULL,
    "partition" integer NOT NULL
)
