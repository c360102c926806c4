-- Three BRIN indexes asked for a summary of each 128 kB written, more than Postgres remembers, so what came last was read whole; one follows.
DROP INDEX IF EXISTS realtime_events_occurred_at, realtime_events_txid, realtime_events_kept_txid
