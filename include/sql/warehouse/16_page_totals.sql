-- All pages together, kept up by each comparison, so that a verdict costs the same however long the past is.
CREATE TABLE IF NOT EXISTS page_totals (
    stage text NOT NULL,
    stream text NOT NULL,
    events bigint NOT NULL,
    expected_events bigint NOT NULL,
    cents bigint NOT NULL,
    expected_cents bigint NOT NULL,
    PRIMARY KEY (stage, stream)
)
