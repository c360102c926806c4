-- What was searched for in the last hour, the most frequent first; a search that found nothing is counted beside all. Each row has the sums of all words, also of those beyond the limit.
-- From the typed table, and from the events that are not built yet: those of all kinds in an hour are many times as much to read.
WITH known AS (
    SELECT term, results, occurred_at
    FROM warehouse.searches
    WHERE event_id >= warehouse.first_id(%(since)s::timestamptz - INTERVAL '1 hour') -- An id may be somewhat older than what it says happened.
    UNION ALL
    SELECT payload ->> 'term', results, occurred_at
    FROM warehouse.unbuilt
    WHERE kind = 'searches'
)
SELECT
    term,
    count(*) AS searches,
    count(*) FILTER (WHERE results = 0) AS without_result,
    sum(count(*)) OVER ()::bigint AS all_searches,
    sum(count(*) FILTER (WHERE results = 0)) OVER ()::bigint AS all_without_result,
    count(term) OVER () AS words
FROM known
WHERE occurred_at >= %(since)s
GROUP BY term
ORDER BY searches DESC, term
LIMIT 200
