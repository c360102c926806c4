-- The Platform page counts the letters of each reason and topic every five seconds.
CREATE INDEX IF NOT EXISTS dead_letters_by_reason ON dead_letters (reason, topic, arrived_at)
