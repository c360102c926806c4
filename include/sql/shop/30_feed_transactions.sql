-- What the producer may read of transactions: the event as JSON; never a name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.transactions AS
SELECT e.txid, e.id, e.recorded_at, e.customer_id::text AS key, row_to_json(event)::text AS body
FROM transactions AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'transactions' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.transaction_id,
        e.version,
        e.status,
        e.customer_id,
        e.session_id,
        e.payment_method,
        e.currency,
        e.gross_cents,
        e.discount_cents,
        e.net_cents,
        e.tax_cents,
        e.total_cents,
        e.lines
) AS event
