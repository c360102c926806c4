-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS product_versions_feed_order ON product_versions (txid, id)
