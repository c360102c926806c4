-- What the producer may read of crm_interactions: the event as JSON; never a person's name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.crm_interactions AS
SELECT e.txid, e.id, e.recorded_at, e.customer_id::text AS key, row_to_json(event)::text AS body
FROM crm_interactions AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'crm_interactions' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.interaction_id,
        e.customer_id,
        e.transaction_id,
        e.channel,
        e.reason,
        e.satisfaction
) AS event
