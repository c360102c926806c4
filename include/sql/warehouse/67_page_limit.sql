-- How many events a build takes at a time, about: a million cost it a minute, and it begins every five.
CREATE OR REPLACE FUNCTION warehouse.page_limit() RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN 3000000
