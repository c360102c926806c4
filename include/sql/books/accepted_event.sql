-- A kept event that a person accepts: its kind, the event that it was made of (itself, unless an item), and when it happened.
SELECT kind, coalesce((payload ->> 'transaction_event_id')::uuid, event_id), occurred_at FROM realtime_events WHERE event_id = %(event_id)s
