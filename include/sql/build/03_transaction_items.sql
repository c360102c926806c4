-- The items of the page; one that is there already changes nothing.
INSERT INTO warehouse.transaction_items (
    transaction_id, transaction_event_id, line, status, customer_id, product_id, product_name, category, quantity, unit_price_cents, gross_cents, discount_cents, net_cents, tax_cents, total_cents,
    event_id, occurred_at, recorded_at, txid, "partition"
)
SELECT
    body.transaction_id, body.transaction_event_id, body.line, body.status, body.customer_id, body.product_id, body.product_name, body.category, body.quantity, body.unit_price_cents, body.gross_cents, body.discount_cents, body.net_cents, body.tax_cents, body.total_cents,
    page.event_id, page.occurred_at, page.recorded_at, page.txid, page."partition"
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (transaction_id uuid, transaction_event_id uuid, line smallint, status text, customer_id bigint, product_id bigint, product_name text, category text, quantity bigint, unit_price_cents bigint, gross_cents bigint, discount_cents bigint, net_cents bigint, tax_cents bigint, total_cents bigint)
WHERE page.kind = 'transaction_items'
ON CONFLICT (event_id) DO NOTHING
