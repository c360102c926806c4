-- From an event to its page.
CREATE INDEX IF NOT EXISTS pages_to_txid ON pages (to_txid)
