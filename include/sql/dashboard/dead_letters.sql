-- Refused events by reason, the most frequent first; counted in an index, since there may be millions of them.
WITH counted AS (
    SELECT reason, topic, count(*) AS letters, max(arrived_at) AS newest_at
    FROM dead_letters
    GROUP BY reason, topic
)

SELECT
    counted.reason,
    sum(counted.letters)::bigint AS letters,
    max(counted.newest_at) AS newest_at,
    array_agg(counted.topic ORDER BY counted.topic) AS topics,
    ARRAY(
        SELECT event_id::text
        FROM dead_letters
        WHERE dead_letters.reason = counted.reason AND event_id IS NOT NULL
        ORDER BY arrived_at DESC
        LIMIT 2
    ) AS newest_ids
FROM counted
GROUP BY counted.reason
ORDER BY letters DESC, counted.reason
