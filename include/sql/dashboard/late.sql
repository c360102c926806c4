-- What came late for each window since a moment, with its money: what Live does not count.
SELECT
    extract(epoch FROM win)::bigint AS start,
    count(*) AS events,
    count(*) FILTER (WHERE kind = 'transactions' AND status = 'paid') AS orders_paid,
    coalesce(sum(total_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0)::bigint AS revenue_cents
FROM metrics.late_events
WHERE occurred_at >= %(since)s
GROUP BY win
