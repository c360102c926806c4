-- Make the partition of a day, if it is missing, and tell whether it was. Attached, it asks for no lock that who reads or writes holds; made as PARTITION OF, it would wait for all of them, and all others behind it.
CREATE OR REPLACE FUNCTION warehouse.make_partition(day date) RETURNS boolean
LANGUAGE plpgsql
SET timezone = 'UTC'
AS $$
DECLARE
    made constant text := 'realtime_events_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(made) IS NULL THEN
        LOCK TABLE ONLY realtime_events IN SHARE UPDATE EXCLUSIVE MODE; -- Another maker may be at work.
    END IF;
    IF to_regclass(made) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE realtime_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', made);
    EXECUTE format('ALTER TABLE realtime_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', made, warehouse.first_id(day), warehouse.first_id(day + 1));
    RETURN true;
END
$$
