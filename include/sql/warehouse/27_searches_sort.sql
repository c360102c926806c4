-- Version 2 of searches says in which order the results were wanted; rows of version 1 stay without.
ALTER TABLE warehouse.searches ADD COLUMN IF NOT EXISTS sort text
