-- The live metrics as the warehouse has them, of some windows (Unix seconds of their begins), which lie between two moments.
WITH events AS (
    SELECT * FROM metrics.events
    WHERE occurred_at >= %(since)s AND occurred_at < %(until)s AND extract(epoch FROM win)::bigint = ANY (%(starts)s)
)
