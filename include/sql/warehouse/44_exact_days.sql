-- Each day exact up to now: what is built and the events not built yet, in one snapshot.
CREATE OR REPLACE VIEW rollups.exact_days AS
SELECT
    late,
    start,
    category,
    product_id,
    product_name,
    sum(events)::bigint AS events,
    sum(orders_created)::bigint AS orders_created,
    sum(orders_paid)::bigint AS orders_paid,
    sum(orders_failed)::bigint AS orders_failed,
    sum(orders_refunded)::bigint AS orders_refunded,
    sum(gross_cents)::bigint AS gross_cents,
    sum(discount_cents)::bigint AS discount_cents,
    sum(net_cents)::bigint AS net_cents,
    sum(tax_cents)::bigint AS tax_cents,
    sum(revenue_cents)::bigint AS revenue_cents,
    sum(refund_cents)::bigint AS refund_cents,
    sum(items_sold)::bigint AS items_sold,
    sum(sales_cents)::bigint AS sales_cents,
    sum(sessions)::bigint AS sessions,
    sum(page_views)::bigint AS page_views,
    sum(product_views)::bigint AS product_views,
    sum(wishlist_adds)::bigint AS wishlist_adds,
    sum(searches)::bigint AS searches,
    sum(searches_without_result)::bigint AS searches_without_result,
    sum(cart_adds)::bigint AS cart_adds,
    sum(cart_removes)::bigint AS cart_removes,
    sum(checkouts)::bigint AS checkouts,
    sum(carts_abandoned)::bigint AS carts_abandoned,
    sum(abandoned_cents)::bigint AS abandoned_cents
FROM (
    SELECT * FROM rollups.days
    UNION ALL
    SELECT * FROM rollups.rolled('day', (SELECT built_below FROM warehouse.build_cursor), 9223372036854775807)
) AS parts
GROUP BY start, late, category, product_id, product_name
