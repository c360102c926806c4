-- When a dead letter, judged good by now, was published again; its new message has a place of its own.
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS replayed_at timestamptz
