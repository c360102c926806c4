-- What was applied to this database.
SELECT number, name, checksum, repeatable, applied_at FROM schema_migrations ORDER BY number
