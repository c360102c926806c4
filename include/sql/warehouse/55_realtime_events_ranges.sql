-- The books ask for ranges of txid, the build of kept_txid, the pages of occurred_at; rows come nearly in the order of each, so one BRIN index serves all.
CREATE INDEX IF NOT EXISTS realtime_events_ranges ON realtime_events USING brin (txid, kept_txid, occurred_at) WITH (pages_per_range = 256, autosummarize = on)
