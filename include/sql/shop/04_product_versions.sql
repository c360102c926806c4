-- Versions of the catalogue; the newest of a product counts.
CREATE TABLE IF NOT EXISTS product_versions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id uuid PRIMARY KEY,
    schema_version smallint NOT NULL DEFAULT 1,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    product_id bigint NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    category text NOT NULL REFERENCES categories (name),
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    stock bigint NOT NULL CHECK (stock >= 0),
    active boolean NOT NULL DEFAULT true,
    UNIQUE (product_id, version)
)
