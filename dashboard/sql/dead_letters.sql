-- Refused events by reason, the most frequent first.
SELECT
    reason,
    count(*) AS letters,
    max(arrived_at) AS newest_at,
    array_agg(DISTINCT topic ORDER BY topic) AS topics
FROM dead_letters
GROUP BY reason
ORDER BY letters DESC, reason
