-- The newest abandoned carts of the last hour, with their value and whose they were; from the typed table, and from the events that are not built yet.
WITH known AS (
    SELECT event_id, occurred_at, value_cents, customer_id
    FROM warehouse.cart_events
    WHERE action = 'abandon' AND event_id >= warehouse.first_id(%(since)s::timestamptz - INTERVAL '1 hour') -- An id may be somewhat older than what it says happened.
    UNION ALL
    SELECT event_id, occurred_at, total_cents, customer_id
    FROM warehouse.unbuilt
    WHERE kind = 'cart_events' AND status = 'abandon'
)
SELECT *
FROM known
WHERE occurred_at >= %(since)s
ORDER BY occurred_at DESC
LIMIT 8
