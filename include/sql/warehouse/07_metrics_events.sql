-- Every live event of the warehouse in the columns that windows.sql names; Spark builds the same view from Kafka.
CREATE OR REPLACE VIEW metrics.events AS
SELECT
    event_id,
    kind,
    txid,
    occurred_at,
    recorded_at,
    date_bin('30 seconds', occurred_at, '2000-01-01 00:00+00') AS win,
    date_bin('30 seconds', occurred_at, '2000-01-01 00:00+00') + INTERVAL '30 seconds' AS win_end,
    status,
    category,
    product_id,
    product_name,
    quantity,
    results,
    gross_cents,
    discount_cents,
    net_cents,
    tax_cents,
    total_cents,
    kept_txid,
    recorded_at > date_bin('30 seconds', occurred_at, '2000-01-01 00:00+00') + INTERVAL '40 seconds' AS late
FROM realtime_events
WHERE kind IN ('transactions', 'transaction_items', 'user_behavior', 'searches', 'cart_events')
