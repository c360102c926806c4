-- The books ask for ranges of txid; BRIN is nearly free, since events come nearly in the order of txid.
CREATE INDEX IF NOT EXISTS realtime_events_txid ON realtime_events USING brin (txid) WITH (pages_per_range = 16)
