-- Each round adds up the pages of the last minutes again.
CREATE INDEX IF NOT EXISTS pages_by_time ON pages (cut_at)
