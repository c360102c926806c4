-- Foreign messages of Kafka that a person knows of; `of_the_shop`: the shop has an event of this id, so it is a repeat.
CREATE TABLE IF NOT EXISTS accepted (
    event_id uuid PRIMARY KEY,
    of_the_shop boolean NOT NULL,
    why text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
)
