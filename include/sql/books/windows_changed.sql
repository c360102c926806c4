-- The windows that got events since the last round, and the horizon of this one.
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    ARRAY(
        SELECT DISTINCT extract(epoch FROM win)::bigint FROM metrics.events
        WHERE kept_txid >= coalesce((SELECT kept_below FROM kept_windows_horizon), 0) AND occurred_at >= %(since)s AND occurred_at < %(until)s
    )
