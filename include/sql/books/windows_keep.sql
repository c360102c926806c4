-- Keep what windows.sql says of a window.
INSERT INTO kept_windows (start, field, measures) VALUES (%(start)s, %(field)s, %(measures)s)
