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
    coalesce(payload ->> 'status', payload ->> 'action') AS status,
    CASE kind WHEN 'transaction_items' THEN payload ->> 'category' END AS category,
    CASE kind WHEN 'transaction_items' THEN (payload ->> 'product_id')::bigint END AS product_id,
    CASE kind WHEN 'transaction_items' THEN payload ->> 'product_name' END AS product_name,
    (payload ->> 'quantity')::bigint AS quantity,
    (payload ->> 'results')::bigint AS results,
    (payload ->> 'gross_cents')::bigint AS gross_cents,
    (payload ->> 'discount_cents')::bigint AS discount_cents,
    (payload ->> 'net_cents')::bigint AS net_cents,
    (payload ->> 'tax_cents')::bigint AS tax_cents,
    coalesce(payload ->> 'total_cents', payload ->> 'value_cents')::bigint AS total_cents,
    kept_txid,
    recorded_at > date_bin('30 seconds', occurred_at, '2000-01-01 00:00+00') + INTERVAL '40 seconds' AS late
FROM realtime_events
WHERE kind IN ('transactions', 'transaction_items', 'user_behavior', 'searches', 'cart_events')
