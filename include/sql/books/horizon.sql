-- The horizon now, and the moment before which every row is below it: when the oldest writing transaction still open began.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    least(clock_timestamp(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL))
