-- Move the offsets on, but only from where this consumer believes them to be.
UPDATE consumer_offsets AS kept
SET next_offset = moved.next_offset, events = kept.events + moved.judged,
    refused = kept.refused + moved.refused, moved_at = now()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(was)s::bigint[], %(next)s::bigint[], %(judged)s::bigint[], %(refused)s::bigint[])
    AS moved (topic, "partition", was, next_offset, judged, refused)
WHERE kept.topic = moved.topic AND kept."partition" = moved."partition" AND kept.next_offset = moved.was
