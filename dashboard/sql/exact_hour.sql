-- A span by hour, from the roll-ups, which are exact up to now.
SELECT * FROM rollups.exact_hours WHERE start >= %(since)s AND start < %(until)s AND late = ANY(%(late)s)
