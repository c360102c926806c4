-- One stream of the shop in a page: how many, how many cents, and the sum of the ids' low 64 bits.
SELECT count(*), coalesce(sum({cents}), 0), coalesce(mod(sum(('x' || encode(substr(uuid_send(event_id), 9), 'hex'))::bit(64)::bigint), 18446744073709551616), 0)
FROM {table} WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8
