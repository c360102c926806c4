-- Whether rows of a stream below a page's end lie behind the producer's cursor.
SELECT EXISTS (
    SELECT FROM {table} WHERE (txid, id) > (%(txid)s::text::xid8, %(id)s) AND txid < %(to_txid)s::text::xid8
)
