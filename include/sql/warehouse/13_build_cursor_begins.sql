-- The first build begins with the first event.
INSERT INTO warehouse.build_cursor DEFAULT VALUES ON CONFLICT DO NOTHING
