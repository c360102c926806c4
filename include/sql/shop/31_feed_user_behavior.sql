-- What the producer may read of user_behavior: the event as JSON; never a name, an e-mail, a phone or free text.
-- The second most frequent kind, so it is written like the transactions: piece by piece, in jsonb's own order.
CREATE OR REPLACE VIEW feed.user_behavior AS
SELECT
    txid,
    id,
    recorded_at,
    session_id::text AS key,
    concat(
        '{"kind":"user_behavior","page":', to_json(page),
        ',"txid":', txid,
        ',"action":', to_json(action),
        ',"device":', to_json(device),
        ',"event_id":"', event_id,
        '","product_id":', coalesce(product_id::text, 'null'),
        ',"session_id":"', session_id,
        '","customer_id":', coalesce(customer_id::text, 'null'),
        ',"occurred_at":', to_json(occurred_at),
        ',"recorded_at":', to_json(recorded_at),
        ',"schema_version":', schema_version,
        '}'
    ) AS body
FROM user_behavior
