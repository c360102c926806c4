-- The carts' changes of the page; one that is there already changes nothing.
INSERT INTO warehouse.cart_events (
    cart_id, session_id, customer_id, action, product_id, quantity, value_cents,
    event_id, occurred_at, recorded_at
)
SELECT
    body.cart_id, body.session_id, body.customer_id, body.action, body.product_id, body.quantity, body.value_cents,
    page.event_id, page.occurred_at, page.recorded_at
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (cart_id uuid, session_id uuid, customer_id bigint, action text, product_id bigint, quantity bigint, value_cents bigint)
WHERE page.kind = 'cart_events'
ON CONFLICT (event_id) DO NOTHING
