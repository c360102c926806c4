-- Events and revenue of a window as the warehouse has them: what came in time, and what came late.
SELECT
    count(*) FILTER (WHERE NOT late) AS events,
    coalesce(sum(total_cents) FILTER (WHERE NOT late AND kind = 'transactions' AND status = 'paid'), 0)::bigint AS cents,
    count(*) FILTER (WHERE late) AS late_events,
    coalesce(sum(total_cents) FILTER (WHERE late AND kind = 'transactions' AND status = 'paid'), 0)::bigint AS late_cents
FROM metrics.events WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
