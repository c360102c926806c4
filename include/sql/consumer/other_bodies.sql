-- Messages of the batch whose id is known with another body: somebody used an id twice.
SELECT incoming.topic, incoming."partition", incoming."offset", incoming.event_id
FROM incoming
JOIN realtime_events AS kept USING (event_id)
WHERE (incoming.topic, incoming."partition", incoming."offset") <> (kept.topic, kept."partition", kept."offset")
  AND incoming.payload::jsonb <> kept.payload::jsonb
