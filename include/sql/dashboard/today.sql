-- The measures of a day in time, as Live counts them: roll-ups and the events not built yet.
SELECT * FROM rollups.exact_days WHERE start = %(day)s AND NOT late AND category IS NULL AND product_id IS NULL
