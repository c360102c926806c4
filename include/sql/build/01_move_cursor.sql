-- Begin a page: from where the last one ended up to the horizon, below which no transaction of this server is open. A second build waits here, then finds less.
UPDATE warehouse.build_cursor
SET page_from = built_below, built_below = greatest(built_below, pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
