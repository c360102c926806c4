-- Refused messages are kept as long as events are; Kafka no longer has them, so none can come again.
DELETE FROM dead_letters WHERE %(retention_days)s > 0 AND arrived_at < now() - make_interval(days => %(retention_days)s)
