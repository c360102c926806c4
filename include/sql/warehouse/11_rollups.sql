-- A schema for the hourly and daily roll-ups and their exact views.
CREATE SCHEMA IF NOT EXISTS rollups
