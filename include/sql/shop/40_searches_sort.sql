-- Version 2 of searches says in which order the results were wanted; rows of version 1 stay as they are.
ALTER TABLE searches
    ADD COLUMN IF NOT EXISTS sort text,
    ADD CONSTRAINT searches_sort_is_of_version_2 CHECK ((schema_version >= 2) = (sort IS NOT NULL)) NOT VALID
