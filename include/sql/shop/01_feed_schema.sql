-- The feed: the only thing in the shop that the producer sees.
CREATE SCHEMA IF NOT EXISTS feed
