-- By when the first event ever had happened: the end of the first hour in the roll-ups, which outlive the events.
SELECT min(start) + INTERVAL '1 hour' AS first_at FROM rollups.hours
