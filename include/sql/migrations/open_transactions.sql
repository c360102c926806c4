-- Who may hold the lock that a migration waits for: the transactions open longest in this database.
SELECT pid, application_name, date_trunc('second', clock_timestamp() - xact_start)
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start
LIMIT 3
