-- Note up to where the kept windows have every event.
INSERT INTO kept_windows_horizon (kept_below) VALUES (%(kept_below)s) ON CONFLICT (only_row) DO UPDATE SET kept_below = excluded.kept_below
