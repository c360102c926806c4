-- From a transaction to its items.
CREATE INDEX IF NOT EXISTS transaction_items_transaction_id ON warehouse.transaction_items (transaction_id)
