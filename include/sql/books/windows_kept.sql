-- What is kept of the windows between two moments (Unix seconds); the field '' says that a window was added up, also an empty one.
SELECT start, field, measures FROM kept_windows WHERE start >= %(since)s AND start < %(until)s
