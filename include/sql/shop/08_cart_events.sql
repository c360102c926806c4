-- What happens to carts.
CREATE TABLE IF NOT EXISTS cart_events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cart_id uuid NOT NULL,
    session_id uuid NOT NULL,
    customer_id bigint,
    action text NOT NULL CHECK (action IN ('add', 'remove', 'checkout', 'abandon')),
    product_id bigint,
    quantity integer NOT NULL,
    value_cents bigint NOT NULL
)
