-- Transactions whose table has no version, or an older one than an event of the page that was built last.
SELECT
    (page.payload ->> 'transaction_id')::uuid AS transaction_id,
    (page.payload ->> 'version')::smallint AS newest_version,
    transactions.version AS kept_version,
    page.event_id
FROM warehouse.page
LEFT JOIN warehouse.transactions ON transactions.transaction_id = (page.payload ->> 'transaction_id')::uuid
WHERE page.kind = 'transactions'
  AND coalesce(transactions.version, 0) < (page.payload ->> 'version')::smallint
ORDER BY page.event_id
