-- Verdicts are kept as long as the events that they are about.
DELETE FROM verdicts WHERE %(retention_days)s > 0 AND at < now() - make_interval(days => %(retention_days)s)
