-- Messages that are no events, with the reason and the bytes as they came; only the consumer writes here.
CREATE TABLE IF NOT EXISTS dead_letters (
    topic text NOT NULL,
    "partition" integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    event_id uuid,
    message_key bytea,
    body bytea,
    published_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, "partition", "offset")
)
