-- One stream of the shop up to the horizon: how many, how many cents, and the sum of the ids' low 64 bits.
SELECT count(*), coalesce(sum({cents}), 0), coalesce(mod(sum(('x' || right(replace(event_id::text, '-', ''), 16))::bit(64)::bigint::numeric), 18446744073709551616), 0)
FROM {table} WHERE txid < %(horizon)s::text::xid8
