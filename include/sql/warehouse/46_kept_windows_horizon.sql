-- Up to which of the warehouse's own transactions the kept windows have every event. One row.
CREATE TABLE IF NOT EXISTS kept_windows_horizon (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    kept_below bigint NOT NULL
)
