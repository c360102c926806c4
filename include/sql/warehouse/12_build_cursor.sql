-- How far the build is: every event kept below built_below is built, once; the last page began at page_from. One row.
CREATE TABLE IF NOT EXISTS warehouse.build_cursor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    page_from bigint NOT NULL DEFAULT 0,
    built_below bigint NOT NULL DEFAULT 0,
    page_events bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0,
    built_at timestamptz NOT NULL DEFAULT now()
)
