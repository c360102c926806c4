-- The last blocks of each day that has ended. Postgres itself sums up only ranges that are full, so whoever asks by a range would read these of every day, for ever.
SELECT indrelid::regclass::text, brin_summarize_new_values(indexrelid)
FROM pg_inherits
INNER JOIN pg_index ON indexrelid = inhrelid
INNER JOIN pg_class ON pg_class.oid = indrelid
WHERE inhparent = 'realtime_events_ranges'::regclass
    AND relname < 'realtime_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')
