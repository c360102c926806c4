-- What the catalogue is divided into.
CREATE TABLE IF NOT EXISTS categories (
    category_id smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
)
