-- The talks of the page; one that is there already changes nothing.
INSERT INTO warehouse.crm_interactions (
    interaction_id, customer_id, transaction_id, channel, reason, satisfaction,
    event_id, occurred_at, recorded_at
)
SELECT
    body.interaction_id, body.customer_id, body.transaction_id, body.channel, body.reason, body.satisfaction,
    page.event_id, page.occurred_at, page.recorded_at
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (interaction_id uuid, customer_id bigint, transaction_id uuid, channel text, reason text, satisfaction smallint)
WHERE page.kind = 'crm_interactions'
ON CONFLICT (event_id) DO NOTHING
