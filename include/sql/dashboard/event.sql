-- One event as it came, with what it carries.
SELECT kind, occurred_at, payload
FROM realtime_events
WHERE event_id = %(event_id)s
