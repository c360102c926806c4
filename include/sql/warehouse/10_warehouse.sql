-- A schema for the typed tables and dimensions that the build makes of the events.
CREATE SCHEMA IF NOT EXISTS warehouse
