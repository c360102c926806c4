-- The events of a span as windows.sql reads them; it leaves late ones out itself, so those that are asked for are handed to it as in time.
SELECT
    kind, status, category, product_id, product_name, quantity, results, gross_cents, discount_cents, net_cents, tax_cents, total_cents,
    win, win_end, least(recorded_at, win_end) AS recorded_at
FROM metrics.events
WHERE occurred_at >= %(since)s AND occurred_at < %(until)s AND (recorded_at > win_end + INTERVAL '10 seconds') = ANY(%(late)s)
