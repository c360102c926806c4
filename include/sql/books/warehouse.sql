-- Each kind in the warehouse in a page: how many, how many cents, and the sum of the ids' low 64 bits.
SELECT kind, count(*),
    coalesce(sum(coalesce(payload ->> 'total_cents', payload ->> 'value_cents')::bigint), 0),
    mod(sum(('x' || encode(substr(uuid_send(event_id), 9), 'hex'))::bit(64)::bigint), 18446744073709551616)
FROM realtime_events
WHERE txid >= %(from_txid)s AND txid < %(to_txid)s
    AND event_id <> ALL (%(left_out)s::uuid[]) AND ((payload ->> 'transaction_event_id')::uuid <> ALL (%(left_out)s::uuid[])) IS NOT FALSE
GROUP BY kind
