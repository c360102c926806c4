-- The newest verdict of the books, and when they balanced last: null when they never did.
SELECT
    at,
    balanced,
    report,
    (SELECT max(at) FROM verdicts WHERE balanced) AS last_true_at
FROM verdicts
ORDER BY verdict_id DESC
LIMIT 1
