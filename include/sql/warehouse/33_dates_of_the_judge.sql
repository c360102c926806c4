-- The judge lets in events from 2020 to 2099; made once.
INSERT INTO warehouse.dates (day, year, quarter, month, iso_year, iso_week, weekday, weekend)
SELECT
    day::date,
    extract(year FROM day),
    extract(quarter FROM day),
    extract(month FROM day),
    extract(isoyear FROM day),
    extract(week FROM day),
    extract(isodow FROM day),
    extract(isodow FROM day) >= 6
FROM generate_series(timestamp '2020-01-01', timestamp '2099-12-31', INTERVAL '1 day') AS day
WHERE NOT EXISTS (SELECT FROM warehouse.dates)
