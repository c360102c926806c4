-- Rows of today and yesterday in which the days and the sum of their hours differ, as each of them says it.
WITH today AS (
    SELECT * FROM rollups.exact_days WHERE start >= date_trunc('day', now(), 'UTC') - INTERVAL '1 day'
),
summed AS (
    SELECT
        late,
        date_trunc('day', start, 'UTC'),
        category,
        product_id,
        product_name,
        sum(events)::bigint,
        sum(orders_created)::bigint,
        sum(orders_paid)::bigint,
        sum(orders_failed)::bigint,
        sum(orders_refunded)::bigint,
        sum(gross_cents)::bigint,
        sum(discount_cents)::bigint,
        sum(net_cents)::bigint,
        sum(tax_cents)::bigint,
        sum(revenue_cents)::bigint,
        sum(refund_cents)::bigint,
        sum(items_sold)::bigint,
        sum(sales_cents)::bigint,
        sum(sessions)::bigint,
        sum(page_views)::bigint,
        sum(product_views)::bigint,
        sum(wishlist_adds)::bigint,
        sum(searches)::bigint,
        sum(searches_without_result)::bigint,
        sum(cart_adds)::bigint,
        sum(cart_removes)::bigint,
        sum(checkouts)::bigint,
        sum(carts_abandoned)::bigint,
        sum(abandoned_cents)::bigint
    FROM rollups.exact_hours
    WHERE start >= date_trunc('day', now(), 'UTC') - INTERVAL '1 day'
    GROUP BY 1, 2, 3, 4, 5
)
SELECT 'days' AS said_by, * FROM (TABLE today EXCEPT TABLE summed) AS only_in_days
UNION ALL
SELECT 'hours', * FROM (TABLE summed EXCEPT TABLE today) AS only_in_hours
ORDER BY start, late, category, product_id, said_by
