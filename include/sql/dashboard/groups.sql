-- Categories and products of a span by their sales, the largest first; a product has the newest name that it had in the span.
SELECT
    category,
    product_id,
    coalesce(category, (array_agg(product_name ORDER BY start DESC))[1]) AS name,
    sum(sales_cents)::bigint AS sales_cents
FROM exact
WHERE category IS NOT NULL OR product_id IS NOT NULL
GROUP BY category, product_id
ORDER BY sales_cents DESC, category, product_id
