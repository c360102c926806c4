-- How many events are behind a number, and what their field adds up to: it must be the number itself.
SELECT count(*) AS rows, sum((payload ->> %(field)s)::bigint)::bigint AS total FROM behind
