-- Who may hold the lock that a migration waits for: the transactions open longest in this database; a prepared one has no process any more.
SELECT who, date_trunc('second', clock_timestamp() - since)
FROM (
    SELECT format('%s (pid %s)', coalesce(nullif(application_name, ''), 'somebody'), pid) AS who, xact_start AS since
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    UNION ALL
    SELECT format('prepared transaction %L', gid), prepared
    FROM pg_prepared_xacts
    WHERE database = current_database()
) AS transactions
WHERE since IS NOT NULL
ORDER BY since
LIMIT 3
