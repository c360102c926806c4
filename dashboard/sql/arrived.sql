-- How many events the warehouse has taken in, and when the last message and the last item came; a message that was refused is no event.
SELECT
    coalesce(sum(events - refused), 0)::bigint AS events,
    max(moved_at) AS moved_at,
    max(moved_at) FILTER (WHERE topic = 'transaction_items') AS items_moved_at
FROM consumer_offsets
