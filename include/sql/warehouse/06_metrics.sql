-- A schema of its own for the view that both engines' metric text reads.
CREATE SCHEMA IF NOT EXISTS metrics
