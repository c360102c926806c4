-- Transactions whose table has no version, or an older one than an event of the page that was built last.
SELECT
    body.transaction_id,
    body.version AS newest_version,
    transactions.version AS kept_version,
    page.event_id
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (transaction_id uuid, version smallint)
LEFT JOIN warehouse.transactions ON transactions.transaction_id = body.transaction_id
WHERE page.kind = 'transactions'
  AND coalesce(transactions.version, 0) < body.version
ORDER BY page.event_id
