-- Refused events by reason, the most frequent first.
SELECT
    reason,
    count(*) AS letters,
    max(arrived_at) AS newest_at,
    array_agg(DISTINCT topic ORDER BY topic) AS topics,
    (array_agg(event_id::text ORDER BY arrived_at DESC) FILTER (WHERE event_id IS NOT NULL))[:2] AS newest_ids
FROM dead_letters
GROUP BY reason
ORDER BY letters DESC, reason
