-- What should be left of each product: the stock of its newest version, built or not, less what was paid since then.
-- Of its first hour the items themselves are added up, of its first day the hours, then the days; and what is not built yet. LATERAL, or the planner reads all items and hours.
WITH newest AS (
    SELECT DISTINCT ON (product_id) *
    FROM (
        SELECT product_id, version, name, category, stock, active, occurred_at FROM warehouse.products
        UNION ALL
        SELECT body.product_id, body.version, body.name, body.category, body.stock, body.active, versions.occurred_at
        FROM warehouse.unbuilt AS versions
        CROSS JOIN LATERAL json_to_record(versions.payload) AS body (product_id bigint, version bigint, name text, category text, stock bigint, active boolean)
        WHERE versions.kind = 'products'
    ) AS versions
    ORDER BY product_id, version DESC
),

recorded AS (
    SELECT
        product_id,
        occurred_at AS since,
        date_trunc('hour', occurred_at, 'UTC') + INTERVAL '1 hour' AS next_hour,
        date_trunc('day', occurred_at, 'UTC') + INTERVAL '24 hours' AS next_day
    FROM newest
),

paid AS (
    SELECT recorded.product_id, first_hour.items
    FROM recorded
    CROSS JOIN LATERAL (
        SELECT sum(quantity) AS items
        FROM warehouse.transaction_items
        WHERE status = 'paid' AND product_id = recorded.product_id AND occurred_at >= recorded.since AND occurred_at < recorded.next_hour
    ) AS first_hour
    UNION ALL
    SELECT recorded.product_id, first_day.items
    FROM recorded
    CROSS JOIN LATERAL (
        SELECT sum(items_sold) AS items
        FROM rollups.hours
        WHERE product_id = recorded.product_id AND start >= recorded.next_hour AND start < recorded.next_day
    ) AS first_day
    UNION ALL
    SELECT recorded.product_id, days.items_sold
    FROM recorded
    INNER JOIN rollups.days ON days.product_id = recorded.product_id AND days.start >= recorded.next_day
    UNION ALL
    SELECT recorded.product_id, items.quantity
    FROM recorded
    INNER JOIN
        warehouse.unbuilt AS items
        ON items.kind = 'transaction_items' AND items.status = 'paid' AND items.product_id = recorded.product_id AND items.occurred_at >= recorded.since
),

sold AS (SELECT product_id, sum(items)::bigint AS items FROM paid GROUP BY product_id)

SELECT
    newest.product_id,
    newest.name,
    newest.category,
    newest.stock,
    newest.active,
    newest.occurred_at,
    coalesce(sold.items, 0) AS sold
FROM newest
LEFT JOIN sold ON sold.product_id = newest.product_id
ORDER BY newest.product_id
