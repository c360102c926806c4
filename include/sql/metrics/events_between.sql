-- The live metrics as the warehouse has them, of the windows that begin between two moments.
WITH events AS (SELECT * FROM metrics.events WHERE occurred_at >= %(since)s AND occurred_at < %(until)s)
