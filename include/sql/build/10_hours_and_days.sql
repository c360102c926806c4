-- Add the page's events to their hours and days; the cursor moves in the same transaction, so each is added once. The page is added up by hours alone: a day is the sum of its own.
-- The list of what is added stands twice: SQL has no name for it, and Airflow reads this file as it is.
WITH page AS MATERIALIZED (
    SELECT *
    FROM rollups.rolled('hour', (SELECT page_from FROM warehouse.build_cursor), (SELECT built_below FROM warehouse.build_cursor))
),
in_hours AS (
    INSERT INTO rollups.hours AS kept
    SELECT * FROM page
    ON CONFLICT (start, late, category, product_id, product_name) DO UPDATE SET
        events = kept.events + excluded.events,
        orders_created = kept.orders_created + excluded.orders_created,
        orders_paid = kept.orders_paid + excluded.orders_paid,
        orders_failed = kept.orders_failed + excluded.orders_failed,
        orders_refunded = kept.orders_refunded + excluded.orders_refunded,
        gross_cents = kept.gross_cents + excluded.gross_cents,
        discount_cents = kept.discount_cents + excluded.discount_cents,
        net_cents = kept.net_cents + excluded.net_cents,
        tax_cents = kept.tax_cents + excluded.tax_cents,
        revenue_cents = kept.revenue_cents + excluded.revenue_cents,
        refund_cents = kept.refund_cents + excluded.refund_cents,
        items_sold = kept.items_sold + excluded.items_sold,
        sales_cents = kept.sales_cents + excluded.sales_cents,
        sessions = kept.sessions + excluded.sessions,
        page_views = kept.page_views + excluded.page_views,
        product_views = kept.product_views + excluded.product_views,
        wishlist_adds = kept.wishlist_adds + excluded.wishlist_adds,
        searches = kept.searches + excluded.searches,
        searches_without_result = kept.searches_without_result + excluded.searches_without_result,
        cart_adds = kept.cart_adds + excluded.cart_adds,
        cart_removes = kept.cart_removes + excluded.cart_removes,
        checkouts = kept.checkouts + excluded.checkouts,
        carts_abandoned = kept.carts_abandoned + excluded.carts_abandoned,
        abandoned_cents = kept.abandoned_cents + excluded.abandoned_cents
)
INSERT INTO rollups.days AS kept
SELECT
    late,
    date_trunc('day', start, 'UTC'),
    category,
    product_id,
    product_name,
    sum(events),
    sum(orders_created),
    sum(orders_paid),
    sum(orders_failed),
    sum(orders_refunded),
    sum(gross_cents),
    sum(discount_cents),
    sum(net_cents),
    sum(tax_cents),
    sum(revenue_cents),
    sum(refund_cents),
    sum(items_sold),
    sum(sales_cents),
    sum(sessions),
    sum(page_views),
    sum(product_views),
    sum(wishlist_adds),
    sum(searches),
    sum(searches_without_result),
    sum(cart_adds),
    sum(cart_removes),
    sum(checkouts),
    sum(carts_abandoned),
    sum(abandoned_cents)
FROM page
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (start, late, category, product_id, product_name) DO UPDATE SET
    events = kept.events + excluded.events,
    orders_created = kept.orders_created + excluded.orders_created,
    orders_paid = kept.orders_paid + excluded.orders_paid,
    orders_failed = kept.orders_failed + excluded.orders_failed,
    orders_refunded = kept.orders_refunded + excluded.orders_refunded,
    gross_cents = kept.gross_cents + excluded.gross_cents,
    discount_cents = kept.discount_cents + excluded.discount_cents,
    net_cents = kept.net_cents + excluded.net_cents,
    tax_cents = kept.tax_cents + excluded.tax_cents,
    revenue_cents = kept.revenue_cents + excluded.revenue_cents,
    refund_cents = kept.refund_cents + excluded.refund_cents,
    items_sold = kept.items_sold + excluded.items_sold,
    sales_cents = kept.sales_cents + excluded.sales_cents,
    sessions = kept.sessions + excluded.sessions,
    page_views = kept.page_views + excluded.page_views,
    product_views = kept.product_views + excluded.product_views,
    wishlist_adds = kept.wishlist_adds + excluded.wishlist_adds,
    searches = kept.searches + excluded.searches,
    searches_without_result = kept.searches_without_result + excluded.searches_without_result,
    cart_adds = kept.cart_adds + excluded.cart_adds,
    cart_removes = kept.cart_removes + excluded.cart_removes,
    checkouts = kept.checkouts + excluded.checkouts,
    carts_abandoned = kept.carts_abandoned + excluded.carts_abandoned,
    abandoned_cents = kept.abandoned_cents + excluded.abandoned_cents
