-- Every customer that an event names, by number only, and when the first and the last of those events happened.
CREATE TABLE IF NOT EXISTS warehouse.customers (
    customer_id bigint PRIMARY KEY,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
)
