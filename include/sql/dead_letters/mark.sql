-- Note of dead letters that they were published again, each with a moment before its new message came.
UPDATE dead_letters AS letter SET replayed_at = published.moment
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(moments)s::timestamptz[])
    AS published (topic, "partition", "offset", moment)
WHERE letter.topic = published.topic AND letter."partition" = published."partition" AND letter."offset" = published."offset" AND letter.replayed_at IS NULL
