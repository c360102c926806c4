-- The one definition of the metrics over a range of kept_txid, by 'hour' or 'day'; it sees the snapshot of the statement that asks. Compiling it for each of a year's partitions took minutes, so jit is off.
CREATE OR REPLACE FUNCTION rollups.rolled(grain text, kept_from bigint, kept_below bigint, since timestamptz DEFAULT '-infinity')
RETURNS SETOF rollups.hours
LANGUAGE sql STABLE
SET jit = off
AS $$
WITH page AS MATERIALIZED (
    SELECT
        kind, status, recorded_at, category, product_id, product_name, quantity, results,
        gross_cents, discount_cents, net_cents, tax_cents, total_cents,
        date_trunc(grain, occurred_at, 'UTC') AS win,
        win_end,
        late
    FROM metrics.events
    WHERE kept_txid >= kept_from AND kept_txid < kept_below AND occurred_at >= since
)
SELECT false, in_time.* FROM (
WITH events AS (SELECT * FROM page)
{metrics/windows}
) AS in_time
UNION ALL
SELECT true, too_late.* FROM (
WITH events AS (
    SELECT
        kind, status, recorded_at, category, product_id, product_name, quantity, results,
        gross_cents, discount_cents, net_cents, tax_cents, total_cents,
        win,
        timestamptz 'infinity' AS win_end
    FROM page
    WHERE late
)
{metrics/windows}
) AS too_late
$$
