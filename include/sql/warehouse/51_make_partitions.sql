-- Make the partitions of today and some days ahead, so that the consumer need not when a day begins; returns those that were missing.
CREATE OR REPLACE FUNCTION warehouse.make_partitions(days_ahead integer) RETURNS SETOF text
LANGUAGE plpgsql
SET lock_timeout = '20s'
SET timezone = 'UTC'
AS $$
DECLARE
    day date;
BEGIN
    FOR day IN SELECT generate_series(current_date, current_date + days_ahead, INTERVAL '1 day') LOOP
        IF warehouse.make_partition(day) THEN
            RETURN NEXT 'realtime_events_' || to_char(day, 'YYYYMMDD');
        END IF;
    END LOOP;
END
$$
