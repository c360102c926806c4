-- Rows of this hour and the one before in which the exact view and the events themselves differ, as each of them says it.
WITH rolled_up AS (
    SELECT * FROM rollups.exact_hours WHERE start >= date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour'
),
counted AS (
    SELECT * FROM rollups.rolled('hour', 0, 9223372036854775807, date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour')
)
SELECT 'roll-ups' AS said_by, * FROM (TABLE rolled_up EXCEPT TABLE counted) AS only_rolled_up
UNION ALL
SELECT 'events', * FROM (TABLE counted EXCEPT TABLE rolled_up) AS only_counted
ORDER BY start, late, category, product_id, said_by
