-- Events of the last hour that are built and yet not in the typed table of their kind.
WITH typed AS (
    SELECT event_id FROM warehouse.transaction_items WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
    UNION ALL
    SELECT event_id FROM warehouse.user_behavior WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
    UNION ALL
    SELECT event_id FROM warehouse.searches WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
    UNION ALL
    SELECT event_id FROM warehouse.cart_events WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
    UNION ALL
    SELECT event_id FROM warehouse.crm_interactions WHERE event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
)
SELECT events.kind, events.event_id
FROM realtime_events AS events
WHERE events.event_id >= warehouse.first_id(now() - INTERVAL '1 hour')
  AND events.kept_txid < (SELECT built_below FROM warehouse.build_cursor)
  AND events.kind IN ('transaction_items', 'user_behavior', 'searches', 'cart_events', 'crm_interactions')
  AND NOT EXISTS (SELECT FROM typed WHERE typed.event_id = events.event_id)
ORDER BY events.event_id
