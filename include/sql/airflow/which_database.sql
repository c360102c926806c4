-- Which database this is, by the numbers of its server and its own; both are others once it is made anew.
SELECT system_identifier::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()
