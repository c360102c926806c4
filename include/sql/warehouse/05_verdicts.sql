-- What each round of the books compared, when, and whether it balanced.
CREATE TABLE IF NOT EXISTS verdicts (
    verdict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    horizon bigint NOT NULL,
    balanced boolean NOT NULL,
    report jsonb NOT NULL
)
