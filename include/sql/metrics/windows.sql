-- The one definition of every live metric: sums and counts of the events in time, by window, category and product.
-- A product that changes its name is a group under each of its names; a max(product_name) would make Spark sort, and compile in every task.
SELECT
    win,
    category,
    product_id,
    product_name,
    count(*) AS events,
    count(*) FILTER (WHERE kind = 'transactions' AND status = 'created') AS orders_created,
    count(*) FILTER (WHERE kind = 'transactions' AND status = 'paid') AS orders_paid,
    count(*) FILTER (WHERE kind = 'transactions' AND status = 'failed') AS orders_failed,
    count(*) FILTER (WHERE kind = 'transactions' AND status = 'refunded') AS orders_refunded,
    coalesce(sum(gross_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0) AS gross_cents,
    coalesce(sum(discount_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0) AS discount_cents,
    coalesce(sum(net_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0) AS net_cents,
    coalesce(sum(tax_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0) AS tax_cents,
    coalesce(sum(total_cents) FILTER (WHERE kind = 'transactions' AND status = 'paid'), 0) AS revenue_cents,
    coalesce(sum(total_cents) FILTER (WHERE kind = 'transactions' AND status = 'refunded'), 0) AS refund_cents,
    coalesce(sum(quantity) FILTER (WHERE kind = 'transaction_items' AND status = 'paid'), 0) AS items_sold,
    coalesce(sum(total_cents) FILTER (WHERE kind = 'transaction_items' AND status = 'paid'), 0) AS sales_cents,
    count(*) FILTER (WHERE kind = 'user_behavior' AND status = 'session_start') AS sessions,
    count(*) FILTER (WHERE kind = 'user_behavior' AND status = 'page_view') AS page_views,
    count(*) FILTER (WHERE kind = 'user_behavior' AND status = 'product_view') AS product_views,
    count(*) FILTER (WHERE kind = 'user_behavior' AND status = 'wishlist_add') AS wishlist_adds,
    count(*) FILTER (WHERE kind = 'searches') AS searches,
    count(*) FILTER (WHERE kind = 'searches' AND results = 0) AS searches_without_result,
    count(*) FILTER (WHERE kind = 'cart_events' AND status = 'add') AS cart_adds,
    count(*) FILTER (WHERE kind = 'cart_events' AND status = 'remove') AS cart_removes,
    count(*) FILTER (WHERE kind = 'cart_events' AND status = 'checkout') AS checkouts,
    count(*) FILTER (WHERE kind = 'cart_events' AND status = 'abandon') AS carts_abandoned,
    coalesce(sum(total_cents) FILTER (WHERE kind = 'cart_events' AND status = 'abandon'), 0) AS abandoned_cents
FROM events
WHERE recorded_at <= win_end + INTERVAL '10 seconds'
GROUP BY GROUPING SETS ((win), (win, category), (win, product_id, product_name))
HAVING grouping(category) + grouping(product_id) = 2 OR category IS NOT NULL OR product_id IS NOT NULL
