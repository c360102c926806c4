-- Begin a page: from where the last one ended up to the horizon, below which no transaction of this server is open; of a long tail only its first transactions, with the events of a full page.
-- A second build waits here, then finds less.
WITH tail AS (
    SELECT kept_txid, sum(count(*)) OVER (ORDER BY kept_txid) AS events_so_far
    FROM warehouse.unbuilt
    GROUP BY kept_txid
)
UPDATE warehouse.build_cursor
SET
    page_from = built_below,
    built_below = greatest(
        built_below,
        least(
            pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
            (SELECT min(kept_txid) + 1 FROM tail WHERE events_so_far >= warehouse.page_limit())
        )
    )
