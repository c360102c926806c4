-- Carts into which something was put since a moment, and that have not ended; a cart that ended is never used again.
SELECT count(*) AS carts
FROM (
    SELECT
        bool_or(status = 'add') AS is_filled,
        bool_or(status IN ('checkout', 'abandon')) AS is_ended
    FROM realtime_events
    WHERE kind = 'cart_events' AND occurred_at >= %(since)s
    GROUP BY payload ->> 'cart_id'
) AS seen
WHERE is_filled AND NOT is_ended
