-- The events behind a number, which rows.sql lists and rows_total.sql adds up.
SELECT event_id, kind, occurred_at, recorded_at, arrived_at, topic, "partition", "offset", payload
FROM realtime_events
WHERE kind = ANY(%(kinds)s)
    AND occurred_at >= %(since)s AND occurred_at < %(until)s
    AND (recorded_at > date_bin('30 seconds', occurred_at, '2000-01-01 00:00+00') + INTERVAL '40 seconds') = ANY(%(late)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(results)s::bigint IS NULL OR results = %(results)s)
    AND (%(category)s::text IS NULL OR coalesce(category, payload ->> 'category') = %(category)s)
    AND (%(product)s::bigint IS NULL OR coalesce(product_id, (payload ->> 'product_id')::bigint) = %(product)s)
    AND (%(term)s::text IS NULL OR payload ->> 'term' = %(term)s)
