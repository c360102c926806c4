-- What should be left of each product: the stock of its newest version, less what was paid since then; a first version has no sales before it.
WITH sold AS (
    SELECT products.product_id, sum(hours.items_sold)::bigint AS items
    FROM warehouse.products
    INNER JOIN rollups.exact_hours AS hours ON hours.product_id = products.product_id AND hours.start >= date_trunc('hour', products.occurred_at)
    GROUP BY products.product_id
),

before AS (
    SELECT products.product_id, sum(items.quantity)::bigint AS items
    FROM warehouse.products
    INNER JOIN
        metrics.events AS items
        ON items.kind = 'transaction_items' AND items.status = 'paid' AND items.product_id = products.product_id
            AND items.occurred_at >= date_trunc('hour', products.occurred_at) AND items.occurred_at < products.occurred_at
    WHERE products.version > 1
    GROUP BY products.product_id
)

SELECT
    products.product_id,
    products.name,
    products.category,
    products.stock,
    products.active,
    products.occurred_at,
    coalesce(sold.items, 0) - coalesce(before.items, 0) AS sold
FROM warehouse.products
LEFT JOIN sold ON sold.product_id = products.product_id
LEFT JOIN before ON before.product_id = products.product_id
ORDER BY products.product_id
