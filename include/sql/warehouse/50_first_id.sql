-- The lowest UUIDv7 of a moment: ids from there on are of that moment or later.
CREATE OR REPLACE FUNCTION warehouse.first_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
RETURN rpad(lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
