-- Keep, in the transaction of a migration, that it was applied: after everything before it, also when the clock was set back.
INSERT INTO schema_migrations (number, name, checksum, repeatable, applied_at)
SELECT %(number)s, %(name)s, %(checksum)s, %(repeatable)s, greatest(clock_timestamp(), max(applied_at) + INTERVAL '1 microsecond')
FROM schema_migrations
ON CONFLICT (number) DO UPDATE
SET name = excluded.name, checksum = excluded.checksum, repeatable = excluded.repeatable, applied_at = excluded.applied_at
