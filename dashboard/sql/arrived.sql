-- How many events the warehouse has taken in, and when the last of them came.
SELECT
    coalesce(sum(events), 0)::bigint AS events,
    max(moved_at) AS moved_at
FROM consumer_offsets
