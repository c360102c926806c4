-- What the producer may read of user_behavior: the event as JSON; never a person's name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.user_behavior AS
SELECT e.txid, e.id, e.recorded_at, e.session_id::text AS key, row_to_json(event)::text AS body
FROM user_behavior AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'user_behavior' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.session_id,
        e.customer_id,
        e.action,
        e.page,
        e.product_id,
        e.device
) AS event
