-- A page of the build is a range of kept_txid; rows come in that order, so BRIN finds the new ones at the cost of the new ones.
CREATE INDEX IF NOT EXISTS realtime_events_kept_txid ON realtime_events USING brin (kept_txid) WITH (pages_per_range = 16, autosummarize = on)
