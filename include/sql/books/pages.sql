-- Pages with the offsets at which they begin: those at which the page before ends.
SELECT p.page_id, p.from_txid, p.to_txid, p.cut_at, p.end_offsets, p.lines,
    (SELECT b.end_offsets FROM pages b WHERE b.page_id < p.page_id ORDER BY b.page_id DESC LIMIT 1) AS begin_offsets
FROM pages p WHERE {condition} ORDER BY p.page_id
