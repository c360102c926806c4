-- A cursor ahead of every transaction of this server: the database was copied here from another one, and nothing new would ever be built.
SELECT page_from, built_below, pg_snapshot_xmax(pg_current_snapshot()) AS next_transaction
FROM warehouse.build_cursor
WHERE built_below > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
