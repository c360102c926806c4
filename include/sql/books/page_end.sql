-- Where a page that begins here ends at the latest: so long after its first row, or after so many rows of the stream that has them first.
WITH first AS (
    SELECT least(
        (SELECT recorded_at FROM transactions WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id LIMIT 1),
        (SELECT recorded_at FROM user_behavior WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id LIMIT 1),
        (SELECT recorded_at FROM searches WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id LIMIT 1),
        (SELECT recorded_at FROM cart_events WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id LIMIT 1)
    ) AS at
), page AS MATERIALIZED (
    SELECT at + greatest(make_interval(secs => %(seconds)s), (clock_timestamp() - at) * %(share)s) AS until FROM first
), bound AS (
    SELECT least(
        (SELECT txid::text::bigint FROM transactions WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
        (SELECT txid::text::bigint FROM user_behavior WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
        (SELECT txid::text::bigint FROM searches WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
        (SELECT txid::text::bigint FROM cart_events WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
        (SELECT txid::text::bigint FROM transactions, page WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 AND recorded_at >= page.until ORDER BY txid, id LIMIT 1),
        (SELECT txid::text::bigint FROM user_behavior, page WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 AND recorded_at >= page.until ORDER BY txid, id LIMIT 1),
        (SELECT txid::text::bigint FROM searches, page WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 AND recorded_at >= page.until ORDER BY txid, id LIMIT 1),
        (SELECT txid::text::bigint FROM cart_events, page WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 AND recorded_at >= page.until ORDER BY txid, id LIMIT 1)
    ) AS txid
)
SELECT greatest(%(from_txid)s + 1, txid) FROM bound WHERE txid IS NOT NULL
