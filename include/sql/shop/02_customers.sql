-- Who buys; names, addresses and phones stay here: no feed view selects from this table.
CREATE TABLE IF NOT EXISTS customers (
    customer_id bigint PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    phone text NOT NULL,
    city text NOT NULL,
    country text NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
