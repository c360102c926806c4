-- Keep what is new of the batch; an event that is already there changes nothing, and of one id that comes twice the first is kept. The transaction's id is asked for once.
INSERT INTO realtime_events (
    event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset",
    product_id, quantity, results, gross_cents, discount_cents, net_cents, tax_cents, total_cents, customer_id, status, category, product_name, payload, kept_txid
)
SELECT
    *,
    (SELECT pg_current_xact_id()::text::bigint) AS kept_txid
FROM incoming
ORDER BY "partition", "offset"
ON CONFLICT (event_id) DO NOTHING
