-- What the producer may read of transactions: the event as JSON; never a person's name, an e-mail, a phone or free text.
-- Most of the shop's rows are of this kind, and the body written piece by piece takes Postgres a third less time than row_to_json.
CREATE OR REPLACE VIEW feed.transactions AS
SELECT
    txid,
    id,
    recorded_at,
    customer_id::text AS key,
    concat(
        '{"event_id":"', event_id,
        '","kind":"transactions","schema_version":', schema_version,
        ',"occurred_at":', to_json(occurred_at),
        ',"recorded_at":', to_json(recorded_at),
        ',"txid":', txid,
        ',"transaction_id":"', transaction_id,
        '","version":', version,
        ',"status":', to_json(status),
        ',"customer_id":', customer_id,
        ',"session_id":"', session_id,
        '","payment_method":', to_json(payment_method),
        ',"currency":', to_json(currency),
        ',"gross_cents":', gross_cents,
        ',"discount_cents":', discount_cents,
        ',"net_cents":', net_cents,
        ',"tax_cents":', tax_cents,
        ',"total_cents":', total_cents,
        ',"lines":', lines,
        '}'
    ) AS body
FROM transactions
