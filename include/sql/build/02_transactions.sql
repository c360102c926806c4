-- Keep the newest version of each transaction of the page; older or repeated versions change nothing.
INSERT INTO warehouse.transactions AS kept (
    transaction_id, version, status, customer_id, session_id, payment_method, currency,
    gross_cents, discount_cents, net_cents, tax_cents, total_cents, lines,
    event_id, occurred_at, recorded_at, txid, "partition"
)
SELECT DISTINCT ON (body.transaction_id)
    body.transaction_id, body.version, body.status, body.customer_id, body.session_id, body.payment_method, body.currency,
    body.gross_cents, body.discount_cents, body.net_cents, body.tax_cents, body.total_cents, json_array_length(body.lines),
    page.event_id, page.occurred_at, page.recorded_at, page.txid, page."partition"
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (
    transaction_id uuid, version smallint, status text, customer_id bigint, session_id uuid, payment_method text, currency text,
    gross_cents bigint, discount_cents bigint, net_cents bigint, tax_cents bigint, total_cents bigint, lines json
)
WHERE page.kind = 'transactions'
ORDER BY body.transaction_id, body.version DESC
ON CONFLICT (transaction_id) DO UPDATE SET
    version = excluded.version, status = excluded.status, customer_id = excluded.customer_id, session_id = excluded.session_id,
    payment_method = excluded.payment_method, currency = excluded.currency,
    gross_cents = excluded.gross_cents, discount_cents = excluded.discount_cents, net_cents = excluded.net_cents,
    tax_cents = excluded.tax_cents, total_cents = excluded.total_cents, lines = excluded.lines,
    event_id = excluded.event_id, occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at,
    txid = excluded.txid, "partition" = excluded."partition"
WHERE kept.version < excluded.version
