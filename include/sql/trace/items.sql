-- The items made of a transaction's event; they have its time, so few days are looked at.
SELECT i.event_id FROM realtime_events t
JOIN realtime_events i ON i.kind = 'transaction_items' AND i.occurred_at = t.occurred_at AND i.payload ->> 'transaction_event_id' = t.event_id::text
WHERE t.event_id = %(event_id)s AND t.kind = 'transactions' ORDER BY i.event_id
