-- The days ahead have their partitions before they begin.
SELECT warehouse.make_partitions(7)
