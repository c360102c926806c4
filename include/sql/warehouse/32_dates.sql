-- Every day on which an event can lie, in the words of a calendar (ISO: weeks and weekdays begin on Monday, 1).
CREATE TABLE IF NOT EXISTS warehouse.dates (
    day date PRIMARY KEY,
    year smallint NOT NULL,
    quarter smallint NOT NULL,
    month smallint NOT NULL,
    iso_year smallint NOT NULL,
    iso_week smallint NOT NULL,
    weekday smallint NOT NULL,
    weekend boolean NOT NULL
)
