-- What the producer may read of products: the event as JSON; never a person's name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.products AS
SELECT e.txid, e.id, e.recorded_at, e.product_id::text AS key, row_to_json(event)::text AS body
FROM product_versions AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'products' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.product_id,
        e.version,
        e.name,
        e.category,
        e.price_cents,
        e.stock,
        e.active
) AS event
