-- The same for each day in UTC.
CREATE TABLE IF NOT EXISTS rollups.days (LIKE rollups.hours INCLUDING ALL)
