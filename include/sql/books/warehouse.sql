-- Each kind in the warehouse in a page: how many, how many cents, and the sum of the ids' low 64 bits. Only where something is left out need an item say what it was made of.
SELECT kind, count(*),
    coalesce(sum(total_cents), 0),
    mod(sum(('x' || encode(substr(uuid_send(event_id), 9), 'hex'))::bit(64)::bigint), 18446744073709551616)
FROM realtime_events
WHERE txid >= %(from_txid)s AND txid < %(to_txid)s
    AND event_id <> ALL (%(left_out)s::uuid[])
    AND (kind <> 'transaction_items' OR cardinality(%(left_out)s::uuid[]) = 0 OR (payload ->> 'transaction_event_id')::uuid <> ALL (%(left_out)s::uuid[]))
GROUP BY kind
