-- The newest verdict of the books, when they balanced last, and each stage by itself (of the last 500 rounds): null when they never did.
SELECT
    at,
    balanced,
    report,
    (SELECT at FROM verdicts WHERE balanced ORDER BY verdict_id DESC LIMIT 1) AS last_true_at,
    (
        SELECT jsonb_object_agg(stage, extract(epoch FROM last_at))
        FROM (
            SELECT stage, max(at) AS last_at
            FROM (
                SELECT recent.at, line ->> 'stage' AS stage, bool_and((line ->> 'ok')::boolean) AS is_true
                FROM
                    (SELECT verdict_id, at, report FROM verdicts ORDER BY verdict_id DESC LIMIT 500) AS recent,
                    jsonb_array_elements(report -> 'stages') AS line
                GROUP BY recent.verdict_id, recent.at, line ->> 'stage'
            ) AS rounds
            WHERE is_true
            GROUP BY stage
        ) AS stages
    ) AS stages_true_at
FROM verdicts
ORDER BY verdict_id DESC
LIMIT 1
