-- Which files of this database's folder were applied, when, and a fingerprint of the text that was.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    checksum text NOT NULL,
    repeatable boolean NOT NULL
)
