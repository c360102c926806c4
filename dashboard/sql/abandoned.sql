-- The newest abandoned carts of the last hour, with their value and whose they were.
SELECT
    event_id,
    occurred_at,
    (payload ->> 'value_cents')::bigint AS value_cents,
    (payload ->> 'customer_id')::bigint AS customer_id
FROM realtime_events
WHERE kind = 'cart_events' AND payload ->> 'action' = 'abandon' AND occurred_at >= %(since)s
ORDER BY occurred_at DESC
LIMIT 8
