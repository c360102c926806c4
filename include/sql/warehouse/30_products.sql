-- The newest version of each product.
CREATE TABLE IF NOT EXISTS warehouse.products (
    product_id bigint PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    price_cents bigint NOT NULL,
    stock bigint NOT NULL,
    active boolean NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL
)
