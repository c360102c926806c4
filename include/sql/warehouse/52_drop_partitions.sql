-- Drop the partitions of days before the retention (0 keeps all); never one with an event that is not built, or that Kafka may still bring again.
-- A day is read whole before anybody has to wait; under the lock only what was kept since is looked for, which the index of ranges tells.
CREATE OR REPLACE FUNCTION warehouse.drop_partitions(retention_days integer) RETURNS SETOF text
LANGUAGE plpgsql
SET lock_timeout = '20s'
SET timezone = 'UTC'
AS $$
DECLARE
    since constant bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    old text;
    unneeded text[] := '{}';
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
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %I WHERE kept_txid >= (SELECT built_below FROM warehouse.build_cursor) OR arrived_at > now() - INTERVAL ''9 days'')', old
        ) INTO needed;
        IF NOT needed THEN
            unneeded := unneeded || old;
        END IF;
    END LOOP;
    IF unneeded <> '{}' THEN
        LOCK TABLE ONLY realtime_events IN ACCESS EXCLUSIVE MODE; -- The consumer waits, so that nothing comes between the look and the drop.
    END IF;
    FOREACH old IN ARRAY unneeded LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE kept_txid BETWEEN %s AND 9223372036854775807)', old, since) INTO needed;
        IF NOT needed THEN
            EXECUTE format('DROP TABLE %I', old);
            RETURN NEXT old;
        END IF;
    END LOOP;
END
$$
