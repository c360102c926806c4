-- Keep the newest version of each product of the page; older or repeated versions change nothing.
INSERT INTO warehouse.products AS kept (product_id, version, name, category, price_cents, stock, active, event_id, occurred_at)
SELECT DISTINCT ON (body.product_id)
    body.product_id, body.version, body.name, body.category, body.price_cents, body.stock, body.active, page.event_id, page.occurred_at
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (
    product_id bigint, version bigint, name text, category text, price_cents bigint, stock bigint, active boolean
)
WHERE page.kind = 'products'
ORDER BY body.product_id, body.version DESC
ON CONFLICT (product_id) DO UPDATE SET
    version = excluded.version, name = excluded.name, category = excluded.category, price_cents = excluded.price_cents,
    stock = excluded.stock, active = excluded.active, event_id = excluded.event_id, occurred_at = excluded.occurred_at
WHERE kept.version < excluded.version
