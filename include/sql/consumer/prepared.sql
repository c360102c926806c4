-- What the consumer needs in the warehouse: its tables, the newest of their columns, and what makes the table of a day.
SELECT to_regclass('realtime_events'), to_regclass('consumer_offsets'), to_regprocedure('warehouse.make_partition(date)'),
    (SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('realtime_events') AND attname = 'total_cents')
