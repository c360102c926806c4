-- What the producer may read of searches: the event as JSON, each row in its own schema version; never a person's name, an e-mail, a phone or free text.
CREATE OR REPLACE VIEW feed.searches AS
SELECT
    e.txid,
    e.id,
    e.recorded_at,
    e.session_id::text AS key,
    CASE e.schema_version WHEN 1 THEN row_to_json(version_1) ELSE row_to_json(version_2) END::text AS body
FROM searches AS e
CROSS JOIN LATERAL (
    SELECT
        e.event_id,
        'searches' AS kind,
        e.schema_version,
        e.occurred_at,
        e.recorded_at,
        e.txid::text::bigint AS txid,
        e.session_id,
        e.customer_id,
        e.term,
        e.results
) AS version_1
CROSS JOIN LATERAL (SELECT version_1.*, e.sort) AS version_2
