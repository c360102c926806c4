-- Say what was built: the page and its events.
UPDATE warehouse.build_cursor
SET page_events = page.events, events = build_cursor.events + page.events, built_at = now()
FROM (SELECT count(*) AS events FROM warehouse.page) AS page
RETURNING page_from, built_below, page_events, build_cursor.events
