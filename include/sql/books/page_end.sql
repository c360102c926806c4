-- Where a page that begins here ends at the latest: after so many rows of the stream that has them first.
SELECT least(
    (SELECT txid::text::bigint FROM transactions WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
    (SELECT txid::text::bigint FROM user_behavior WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
    (SELECT txid::text::bigint FROM searches WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1),
    (SELECT txid::text::bigint FROM cart_events WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8 ORDER BY txid, id OFFSET %(rows)s LIMIT 1)
)
