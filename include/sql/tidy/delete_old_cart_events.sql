-- Typed rows go with the events that they were made of; transactions, items, dimensions and roll-ups stay.
DELETE FROM warehouse.cart_events
WHERE %(retention_days)s > 0 AND event_id < warehouse.first_id(date_trunc('day', now(), 'UTC') - make_interval(days => %(retention_days)s))
