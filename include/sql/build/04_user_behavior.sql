-- The visitors' steps of the page; one that is there already changes nothing.
INSERT INTO warehouse.user_behavior (
    session_id, customer_id, action, page, product_id, device,
    event_id, occurred_at, recorded_at
)
SELECT
    body.session_id, body.customer_id, body.action, body.page, body.product_id, body.device,
    page.event_id, page.occurred_at, page.recorded_at
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (session_id uuid, customer_id bigint, action text, page text, product_id bigint, device text)
WHERE page.kind = 'user_behavior'
ON CONFLICT (event_id) DO NOTHING
