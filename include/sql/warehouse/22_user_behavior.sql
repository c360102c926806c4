-- What visitors did on the shop's pages.
CREATE TABLE IF NOT EXISTS warehouse.user_behavior (
    event_id uuid PRIMARY KEY,
    session_id uuid NOT NULL,
    customer_id bigint,
    action text NOT NULL,
    page text NOT NULL,
    product_id bigint,
    device text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
)
