-- A page's first comparison.
INSERT INTO pages (from_txid, to_txid, cut_at, balanced, end_offsets, lines)
VALUES (%(from_txid)s, %(to_txid)s, %(cut_at)s, %(balanced)s, %(end_offsets)s, %(lines)s)
