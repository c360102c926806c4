-- A batch lands here first; it is gone with its transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DELETE ROWS AS
SELECT
    event_id, kind, schema_version, occurred_at, recorded_at, txid, topic, "partition", "offset",
    product_id, quantity, results, gross_cents, discount_cents, net_cents, tax_cents, total_cents, customer_id, status, category, product_name, payload
FROM realtime_events WITH NO DATA
