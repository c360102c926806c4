-- The producer reads in this order: everything below the horizon, after its cursor.
CREATE INDEX IF NOT EXISTS crm_interactions_feed_order ON crm_interactions (txid, id)
