-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS searches_feed_order ON searches (txid, id)
