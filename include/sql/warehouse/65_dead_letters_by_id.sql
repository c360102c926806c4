-- `event` and a replay look for the letters of an id.
CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (event_id) WHERE event_id IS NOT NULL
