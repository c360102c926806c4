-- Where a page that begins here ends at the latest: so long after its first row, or after so many rows.
-- A time that no event may have (infinity, years before Christ) is no row's: it neither begins a minute nor ends one.
-- Ordered by the column of the tables, not by the number made of it: so their indexes give the order, and nothing is sorted.
WITH written AS NOT MATERIALIZED (
    SELECT txid, recorded_at FROM transactions
    UNION ALL SELECT txid, recorded_at FROM user_behavior
    UNION ALL SELECT txid, recorded_at FROM searches
    UNION ALL SELECT txid, recorded_at FROM cart_events
), ahead AS NOT MATERIALIZED (
    SELECT * FROM written WHERE txid >= %(from_txid)s::text::xid8 AND txid < %(to_txid)s::text::xid8
), first AS (
    SELECT recorded_at AS at FROM ahead WHERE recorded_at >= %(first_day)s AND recorded_at < %(last_day)s ORDER BY txid LIMIT 1
), page AS MATERIALIZED (
    SELECT at + greatest(make_interval(secs => %(seconds)s), (clock_timestamp() - at) * %(share)s) AS until FROM first
), bound AS MATERIALIZED (
    SELECT least(
        (SELECT txid::text::bigint FROM ahead ORDER BY ahead.txid OFFSET %(rows)s LIMIT 1),
        (SELECT txid::text::bigint FROM ahead WHERE recorded_at >= (SELECT until FROM page) AND recorded_at < %(last_day)s ORDER BY ahead.txid LIMIT 1)
    ) AS txid
)
SELECT greatest(%(from_txid)s + 1, txid) FROM bound WHERE txid IS NOT NULL
