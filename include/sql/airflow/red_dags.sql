-- The DAGs whose newest finished run failed. One without a schedule is told to the person who started it; the services, always at work, are looked at themselves.
SELECT dag_id, run_id, began, end_date
FROM (
    SELECT DISTINCT ON (dag_id) dag_id, run_id, dag_run.state, coalesce(start_date, run_after) AS began, end_date
    FROM dag_run JOIN dag USING (dag_id)
    WHERE dag_run.state IN ('success', 'failed')
      AND NOT dag.is_stale AND NOT dag.is_paused AND dag.timetable_summary NOT IN ('None', '@continuous')
    ORDER BY dag_id, end_date DESC
) AS newest
WHERE state = 'failed'
ORDER BY dag_id
