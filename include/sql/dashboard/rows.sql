-- The events behind a number, newest first by their ids, which are ordered by time.
SELECT * FROM behind
ORDER BY event_id DESC
LIMIT %(limit)s
