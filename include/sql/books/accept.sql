-- A foreign message is known to a person.
INSERT INTO accepted (event_id, of_the_shop, why) VALUES (%(event_id)s, %(of_the_shop)s, %(why)s)
ON CONFLICT (event_id) DO UPDATE SET why = excluded.why
