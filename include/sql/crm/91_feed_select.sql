-- …and reads them, and nothing else.
GRANT SELECT ON ALL TABLES IN SCHEMA feed TO {feed}
