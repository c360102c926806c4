-- Events of the page that was built last and are yet not in the typed table of their kind.
SELECT page.kind, page.event_id
FROM warehouse.page
WHERE NOT CASE page.kind
    WHEN 'transaction_items' THEN EXISTS (SELECT FROM warehouse.transaction_items AS typed WHERE typed.event_id = page.event_id)
    WHEN 'user_behavior' THEN EXISTS (SELECT FROM warehouse.user_behavior AS typed WHERE typed.event_id = page.event_id)
    WHEN 'searches' THEN EXISTS (SELECT FROM warehouse.searches AS typed WHERE typed.event_id = page.event_id)
    WHEN 'cart_events' THEN EXISTS (SELECT FROM warehouse.cart_events AS typed WHERE typed.event_id = page.event_id)
    WHEN 'crm_interactions' THEN EXISTS (SELECT FROM warehouse.crm_interactions AS typed WHERE typed.event_id = page.event_id)
    ELSE true
END
ORDER BY page.event_id
