-- One group of a span, step by step; in time and late are rows of their own.
SELECT * FROM exact
WHERE category IS NOT DISTINCT FROM %(category)s::text AND product_id IS NOT DISTINCT FROM %(product)s::bigint
ORDER BY start
