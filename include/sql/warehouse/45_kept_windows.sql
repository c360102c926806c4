-- What windows.sql says of each closed window, kept by the books, so that a round adds up only windows that have got events since.
CREATE TABLE IF NOT EXISTS kept_windows (
    start bigint NOT NULL,
    field text NOT NULL,
    measures jsonb NOT NULL,
    PRIMARY KEY (start, field)
)
