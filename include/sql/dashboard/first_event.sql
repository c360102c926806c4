-- When the first event that is kept happened, by the ids, which are nearly in the order of time.
SELECT min(occurred_at) AS first_at FROM (SELECT occurred_at FROM realtime_events ORDER BY event_id LIMIT 100) AS first
