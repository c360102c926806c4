-- Days before the retention go, one table each, unless something in them is still needed.
SELECT warehouse.drop_partitions(%(retention_days)s)
