-- An event as the warehouse keeps it; an item names the transaction's event that it was made of.
SELECT event_id, kind, txid, occurred_at, recorded_at, arrived_at, topic, "partition", "offset", payload ->> 'transaction_event_id' AS source_id
FROM realtime_events WHERE event_id = %(event_id)s
