-- A scheduler that was killed with the machine counts as running for a while, and its tasks with it; run only when none runs.
UPDATE job SET state = 'failed', end_date = now() WHERE job_type = 'SchedulerJob' AND state = 'running'
