-- Keep what is new of the batch; an event that is already there changes nothing, and of one id that comes twice the first is kept.
INSERT INTO realtime_events
SELECT * FROM incoming
ORDER BY "partition", "offset"
ON CONFLICT (event_id) DO NOTHING
