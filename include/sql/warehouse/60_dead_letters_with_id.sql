-- It names the newest ids of each reason, which bodies that are no JSON do not have.
CREATE INDEX IF NOT EXISTS dead_letters_with_id ON dead_letters (reason, arrived_at) WHERE event_id IS NOT NULL
