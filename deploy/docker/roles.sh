#!/bin/sh
# Makes roles and databases when a Postgres server starts on an empty folder; the statements are written by first-start.
psql --no-psqlrc -v ON_ERROR_STOP=1 --username postgres --dbname postgres --file "/run/instashop/$INSTASHOP_SERVER.sql"
