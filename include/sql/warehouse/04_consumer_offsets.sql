-- How far the consumer is, moved in the same transaction as the events; counts every message it has judged.
CREATE TABLE IF NOT EXISTS consumer_offsets (
    topic text NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, "partition")
)
