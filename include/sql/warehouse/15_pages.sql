-- The books page by page: the range of txid, the offsets at which Kafka's part ends, and what each stage had of it.
CREATE TABLE IF NOT EXISTS pages (
    page_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_txid bigint NOT NULL,
    to_txid bigint NOT NULL,
    cut_at timestamptz NOT NULL,
    compared_at timestamptz NOT NULL DEFAULT now(),
    balanced boolean NOT NULL,
    end_offsets jsonb NOT NULL,
    lines jsonb NOT NULL
)
