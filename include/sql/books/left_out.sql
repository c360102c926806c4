-- The events of a page in the warehouse that came by a replay or that a person has accepted as foreign, and the items made of them.
SELECT kind, event_id FROM realtime_events
WHERE txid >= %(from_txid)s AND txid < %(to_txid)s
    AND (event_id = ANY (%(left_out)s::uuid[]) OR kind = 'transaction_items' AND (payload ->> 'transaction_event_id')::uuid = ANY (%(left_out)s::uuid[]))
