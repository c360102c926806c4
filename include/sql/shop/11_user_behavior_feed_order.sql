-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS user_behavior_feed_order ON user_behavior (txid, id)
