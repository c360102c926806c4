-- The moment before which every row is below a horizon that is asked for after this: when the oldest writing transaction still open began.
SELECT least(clock_timestamp(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL))
