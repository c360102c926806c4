-- Keep, in the transaction of a migration, that it was applied.
INSERT INTO schema_migrations (number, name, checksum, repeatable)
VALUES (%(number)s, %(name)s, %(checksum)s, %(repeatable)s)
ON CONFLICT (number) DO UPDATE
SET name = excluded.name, checksum = excluded.checksum, repeatable = excluded.repeatable, applied_at = clock_timestamp()
