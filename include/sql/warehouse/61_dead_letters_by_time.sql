-- `watch_platform` and `doctor` ask for the last letters, a replay goes through them in this order.
CREATE INDEX IF NOT EXISTS dead_letters_by_time ON dead_letters (arrived_at, topic, "partition", "offset")
