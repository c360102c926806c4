-- How many rows of a page the producer is shown.
SELECT count(*) FROM feed.{stream} WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8
