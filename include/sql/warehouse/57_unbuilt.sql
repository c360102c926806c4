-- The events that are not built yet. Of a range without an upper end the planner expects a third of the table, and reads all of it.
CREATE OR REPLACE VIEW warehouse.unbuilt AS
SELECT *
FROM realtime_events
WHERE kept_txid BETWEEN (SELECT built_below FROM warehouse.build_cursor) AND 9223372036854775807
