-- From a product to what was paid of it since a moment: its stock.
CREATE INDEX IF NOT EXISTS transaction_items_product_id
ON warehouse.transaction_items (product_id, occurred_at) INCLUDE (quantity) WHERE status = 'paid'
