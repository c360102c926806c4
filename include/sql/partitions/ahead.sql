-- A platform that begins, or was off for a while, has its days ahead at once; later tidy_warehouse makes them.
SELECT warehouse.make_partitions(7)
