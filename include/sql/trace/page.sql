-- The page of the books that a txid lies on.
SELECT page_id, cut_at, balanced FROM pages WHERE from_txid <= %(txid)s AND to_txid > %(txid)s ORDER BY to_txid LIMIT 1
