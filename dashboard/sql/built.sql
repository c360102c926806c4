-- Whether the DAG build_warehouse has made its tables and roll-ups.
SELECT
    to_regclass('warehouse.products') IS NOT NULL
    AND to_regclass('rollups.exact_hours') IS NOT NULL
    AND to_regclass('rollups.exact_days') IS NOT NULL AS built
