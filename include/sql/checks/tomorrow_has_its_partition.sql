-- Days up to tomorrow for which the events have no partition; tidy_warehouse makes them ahead.
SELECT day::date AS day
FROM generate_series(now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' + INTERVAL '1 day', INTERVAL '1 day') AS day
WHERE to_regclass('realtime_events_' || to_char(day, 'YYYYMMDD')) IS NULL
