-- What the consumer needs in the warehouse: its tables, and the newest of their columns.
SELECT to_regclass('realtime_events'), to_regclass('consumer_offsets'),
    (SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('realtime_events') AND attname = 'total_cents')
