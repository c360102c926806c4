-- How many messages the warehouse has taken in, and when the last one and the last item came. One that repeats an event counts, too; one that was refused does not.
SELECT
    coalesce(sum(events - refused), 0)::bigint AS messages,
    max(moved_at) AS moved_at,
    max(moved_at) FILTER (WHERE topic = 'transaction_items') AS items_moved_at
FROM consumer_offsets
