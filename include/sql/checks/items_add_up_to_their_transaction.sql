-- Transactions of the last hour whose items do not add up to them. Only those that the enricher has passed: an item of a later one of their partition is there.
WITH items AS (
    SELECT * FROM warehouse.transaction_items WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
),
passed AS (
    SELECT "partition", max(txid) AS txid FROM items GROUP BY "partition"
),
summed AS (
    SELECT transaction_event_id AS event_id, count(*) AS lines, sum(total_cents) AS total_cents FROM items GROUP BY transaction_event_id
),
refused AS ( -- An item's id has its transaction's time.
    SELECT (convert_from(body, 'UTF8')::jsonb ->> 'transaction_event_id')::uuid AS event_id
    FROM dead_letters
    WHERE reason = 'unknown_product' AND event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
)
SELECT
    transactions.transaction_id,
    transactions.version,
    transactions.status,
    transactions.lines,
    coalesce(summed.lines, 0) AS items,
    transactions.total_cents,
    coalesce(summed.total_cents, 0) AS items_cents
FROM warehouse.transactions
JOIN passed ON passed."partition" = transactions."partition" AND passed.txid > transactions.txid
LEFT JOIN summed USING (event_id)
WHERE transactions.event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
  AND transactions.status IN ('paid', 'refunded')
  AND (coalesce(summed.lines, 0), coalesce(summed.total_cents, 0)) <> (transactions.lines, transactions.total_cents)
  AND NOT EXISTS (SELECT FROM refused WHERE refused.event_id = transactions.event_id)
ORDER BY transactions.event_id
