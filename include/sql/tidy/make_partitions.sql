-- The days ahead have their partitions before they begin; also asked when the platform is prepared, since it may have been off for a while.
SELECT warehouse.make_partitions(7)
