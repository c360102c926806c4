-- A span by hour or by day, from the roll-ups, which are exact up to now.
SELECT * FROM rollups.exact_{step}s WHERE start >= %(since)s AND start < %(until)s AND late = ANY(%(late)s)
