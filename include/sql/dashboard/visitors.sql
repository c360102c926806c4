-- Sessions of which something happened since a moment; an order's session is no visit, since an order is paid or refunded long after.
SELECT count(DISTINCT payload ->> 'session_id') AS visitors
FROM realtime_events
WHERE kind IN ('user_behavior', 'searches', 'cart_events') AND occurred_at >= %(since)s
