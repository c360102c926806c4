-- Each round of the books asks for the events that a replay has brought.
CREATE INDEX IF NOT EXISTS dead_letters_replayed ON dead_letters (event_id) WHERE replayed_at IS NOT NULL
