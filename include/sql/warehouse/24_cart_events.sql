-- Each change of a cart, with its value afterwards.
CREATE TABLE IF NOT EXISTS warehouse.cart_events (
    event_id uuid PRIMARY KEY,
    cart_id uuid NOT NULL,
    session_id uuid NOT NULL,
    customer_id bigint,
    action text NOT NULL,
    product_id bigint,
    quantity bigint NOT NULL,
    value_cents bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
)
