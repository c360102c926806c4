-- How many of each product were paid since its newest version; ids are ordered by time, so no order from before the oldest of these is read.
SELECT lines.product_id, sum(lines.quantity)::bigint
FROM transactions
CROSS JOIN LATERAL json_to_recordset(transactions.lines) AS lines (product_id bigint, quantity bigint)
INNER JOIN unnest(%(products)s::bigint[], %(since)s::timestamptz[]) AS newest (product_id, occurred_at)
    ON newest.product_id = lines.product_id AND transactions.occurred_at >= newest.occurred_at
WHERE transactions.event_id >= %(first_id)s AND transactions.status = 'paid'
GROUP BY lines.product_id
