-- Forget windows that have changed, and those that Redis no longer keeps.
DELETE FROM kept_windows WHERE start < %(since)s OR start = ANY (%(changed)s)
