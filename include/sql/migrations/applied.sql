-- What was applied to this database.
SELECT name, checksum, repeatable, applied_at FROM schema_migrations ORDER BY number, name
