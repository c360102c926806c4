-- Make the partitions of today and some days ahead, so that the consumer need not when a day begins; returns those that were missing.
CREATE OR REPLACE FUNCTION warehouse.make_partitions(days_ahead integer) RETURNS SETOF text
LANGUAGE plpgsql
SET lock_timeout = '20s'
SET timezone = 'UTC'
AS $$
DECLARE
    day date;
    made text;
BEGIN
    FOR day IN SELECT generate_series(current_date, current_date + days_ahead, INTERVAL '1 day') LOOP
        made := 'realtime_events_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(made) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS %I PARTITION OF realtime_events FOR VALUES FROM (%L) TO (%L)',
                made, warehouse.first_id(day), warehouse.first_id(day + 1)
            );
            RETURN NEXT made;
        END IF;
    END LOOP;
END
$$
