-- Each round of the books asks for the red pages, of which there are few among very many.
CREATE INDEX IF NOT EXISTS pages_red ON pages (page_id) WHERE NOT balanced
