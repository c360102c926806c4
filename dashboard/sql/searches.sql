-- What was searched for in the last hour, the most frequent first; a search that found nothing is counted beside all.
SELECT
    payload ->> 'term' AS term,
    count(*) AS searches,
    count(*) FILTER (WHERE (payload ->> 'results')::bigint = 0) AS without_result,
    max(occurred_at) AS newest_at
FROM realtime_events
WHERE kind = 'searches' AND occurred_at >= %(since)s
GROUP BY term
ORDER BY searches DESC, term
LIMIT 200
