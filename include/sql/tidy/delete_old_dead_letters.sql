-- Refused messages are kept as long as events are; Kafka no longer has them, so none can come again. One that was replayed explains its event for as long.
DELETE FROM dead_letters WHERE %(retention_days)s > 0 AND greatest(arrived_at, replayed_at) < now() - make_interval(days => %(retention_days)s)
