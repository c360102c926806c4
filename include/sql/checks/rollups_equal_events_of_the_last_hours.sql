-- Rows of this hour and the one before in which the exact view and the events themselves differ, as each of them says it.
-- First only counts and money are added up; every measure, which costs many times as much, only of an hour in which those differ.
WITH rolled_up AS MATERIALIZED (
    SELECT * FROM rollups.exact_hours WHERE start >= date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour'
),
said AS (
    SELECT
        start,
        late,
        sum(events) FILTER (WHERE is_total) AS events,
        sum(orders_created + orders_paid + orders_failed + orders_refunded) FILTER (WHERE is_total) AS orders,
        sum(sessions + page_views + product_views + wishlist_adds) FILTER (WHERE is_total) AS steps,
        sum(searches) FILTER (WHERE is_total) AS searches,
        sum(cart_adds + cart_removes + checkouts + carts_abandoned) FILTER (WHERE is_total) AS carts,
        sum(revenue_cents + refund_cents) FILTER (WHERE is_total) AS moved_cents,
        sum(sales_cents) FILTER (WHERE is_total) AS sales_cents,
        coalesce(sum(sales_cents) FILTER (WHERE category IS NOT NULL), 0) AS sales_cents_of_categories,
        coalesce(sum(sales_cents) FILTER (WHERE product_id IS NOT NULL), 0) AS sales_cents_of_products
    FROM (SELECT *, category IS NULL AND product_id IS NULL AS is_total FROM rolled_up) AS groups
    GROUP BY start, late
),
added_up AS (
    SELECT
        date_trunc('hour', occurred_at, 'UTC') AS start,
        late,
        count(*) AS events,
        count(*) FILTER (WHERE kind = 'transactions') AS orders,
        count(*) FILTER (WHERE kind = 'user_behavior' AND status <> 'session_end') AS steps,
        count(*) FILTER (WHERE kind = 'searches') AS searches,
        count(*) FILTER (WHERE kind = 'cart_events') AS carts,
        coalesce(sum(total_cents) FILTER (WHERE kind = 'transactions' AND status IN ('paid', 'refunded')), 0) AS moved_cents,
        coalesce(sum(total_cents) FILTER (WHERE kind = 'transaction_items' AND status = 'paid'), 0) AS sales_cents
    FROM metrics.events
    WHERE occurred_at >= date_trunc('hour', now(), 'UTC') - INTERVAL '1 hour'
    GROUP BY 1, 2
),
different AS (
    SELECT start
    FROM (TABLE said EXCEPT SELECT *, sales_cents, sales_cents FROM added_up) AS only_said
    UNION
    SELECT start
    FROM (SELECT *, sales_cents, sales_cents FROM added_up EXCEPT TABLE said) AS only_added_up
),
wrong AS (
    SELECT * FROM rolled_up WHERE start IN (TABLE different)
),
counted AS (
    SELECT * FROM rollups.rolled('hour', 0, 9223372036854775807, (SELECT min(start) FROM different)) WHERE start IN (TABLE different)
)
SELECT 'roll-ups' AS said_by, * FROM (TABLE wrong EXCEPT TABLE counted) AS only_rolled_up
UNION ALL
SELECT 'events', * FROM (TABLE counted EXCEPT TABLE wrong) AS only_counted
ORDER BY start, late, category, product_id, said_by
