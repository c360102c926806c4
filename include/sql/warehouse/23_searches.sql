-- What was searched for, in the catalogue's words, and how much was found.
CREATE TABLE IF NOT EXISTS warehouse.searches (
    event_id uuid PRIMARY KEY,
    session_id uuid NOT NULL,
    customer_id bigint,
    term text,
    results bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
)
