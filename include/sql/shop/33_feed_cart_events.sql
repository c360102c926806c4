-- What the producer may read of cart_events: the event as JSON; never a person's name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.cart_events AS
SELECT e.txid, e.id, e.recorded_at, e.session_id::text AS key, row_to_json(event)::text AS body
FROM cart_events AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'cart_events' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.cart_id,
        e.session_id,
        e.customer_id,
        e.action,
        e.product_id,
        e.quantity,
        e.value_cents
) AS event
