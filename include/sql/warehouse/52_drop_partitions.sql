-- Drop the partitions of days before the retention (0 keeps all); never one with an event that is not built, or that Kafka may still bring again.
CREATE OR REPLACE FUNCTION warehouse.drop_partitions(retention_days integer) RETURNS SETOF text
LANGUAGE plpgsql
SET lock_timeout = '20s'
SET timezone = 'UTC'
AS $$
DECLARE
    old text;
    needed boolean;
BEGIN
    IF retention_days <= 0 THEN
        RETURN;
    END IF;
    FOR old IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'realtime_events'::regclass
          AND relname ~ '^realtime_events_[0-9]{8}$'
          AND right(relname, 8) < to_char(current_date - retention_days, 'YYYYMMDD')
        ORDER BY relname
    LOOP
        LOCK TABLE ONLY realtime_events IN ACCESS EXCLUSIVE MODE; -- The consumer waits, so that nothing comes between the look and the drop.
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %I WHERE kept_txid >= (SELECT built_below FROM warehouse.build_cursor) OR arrived_at > now() - INTERVAL ''8 days'')', old
        ) INTO needed;
        IF NOT needed THEN
            EXECUTE format('DROP TABLE %I', old);
            RETURN NEXT old;
        END IF;
    END LOOP;
END
$$
