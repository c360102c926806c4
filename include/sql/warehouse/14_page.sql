-- The events of the page that the build works on, or, between two builds, of the last one.
CREATE OR REPLACE VIEW warehouse.page AS
SELECT *
FROM realtime_events
WHERE kept_txid >= (SELECT page_from FROM warehouse.build_cursor)
  AND kept_txid < (SELECT built_below FROM warehouse.build_cursor)
