-- Items of the last hour without their transaction, although a later one of their partition is there.
WITH passed AS (
    SELECT "partition", max(txid) AS txid
    FROM warehouse.transactions
    WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
    GROUP BY "partition"
)
SELECT items.event_id, items.transaction_id, items.line, items.status, items.total_cents
FROM warehouse.transaction_items AS items
JOIN passed ON passed."partition" = items."partition" AND passed.txid > items.txid
WHERE items.event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
  AND NOT EXISTS (SELECT FROM warehouse.transactions WHERE transactions.transaction_id = items.transaction_id)
ORDER BY items.event_id
