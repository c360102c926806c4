-- Transactions whose table has no version, or an older one than an event of the last hour that is built.
SELECT
    (events.payload ->> 'transaction_id')::uuid AS transaction_id,
    (events.payload ->> 'version')::smallint AS newest_version,
    transactions.version AS kept_version,
    events.event_id
FROM realtime_events AS events
LEFT JOIN warehouse.transactions ON transactions.transaction_id = (events.payload ->> 'transaction_id')::uuid
WHERE events.event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
  AND events.kept_txid < (SELECT built_below FROM warehouse.build_cursor)
  AND events.kind = 'transactions'
  AND coalesce(transactions.version, 0) < (events.payload ->> 'version')::smallint
ORDER BY events.event_id
