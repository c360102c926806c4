-- Talks with customers: when, where, why and how content; what was said stays in the shop.
CREATE TABLE IF NOT EXISTS warehouse.crm_interactions (
    event_id uuid PRIMARY KEY,
    interaction_id uuid NOT NULL,
    customer_id bigint NOT NULL,
    transaction_id uuid,
    channel text NOT NULL,
    reason text NOT NULL,
    satisfaction smallint,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
)
