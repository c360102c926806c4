-- How many live events of a window came in time, and how many late.
SELECT count(*) FILTER (WHERE recorded_at <= %(late_after)s) AS in_time, count(*) FILTER (WHERE recorded_at > %(late_after)s) AS late
FROM metrics.events WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
