-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS cart_events_feed_order ON cart_events (txid, id)
