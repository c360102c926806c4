-- Books and pages ask for a kind's events by time; BRIN is nearly free, since events come in the order of time.
CREATE INDEX IF NOT EXISTS realtime_events_occurred_at ON realtime_events USING brin (occurred_at) WITH (pages_per_range = 16)
