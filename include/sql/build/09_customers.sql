-- Every customer whom the page names; the span in which they were seen only grows.
INSERT INTO warehouse.customers AS kept (customer_id, first_seen_at, last_seen_at)
SELECT customer_id, min(occurred_at), max(occurred_at)
FROM warehouse.page
WHERE customer_id IS NOT NULL
GROUP BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET
    first_seen_at = least(kept.first_seen_at, excluded.first_seen_at), last_seen_at = greatest(kept.last_seen_at, excluded.last_seen_at)
WHERE kept.first_seen_at > excluded.first_seen_at OR kept.last_seen_at < excluded.last_seen_at
