-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS transactions_feed_order ON transactions (txid, id)
