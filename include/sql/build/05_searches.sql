-- The searches of the page; one that is there already changes nothing.
INSERT INTO warehouse.searches (
    session_id, customer_id, term, results, sort,
    event_id, occurred_at, recorded_at
)
SELECT
    body.session_id, body.customer_id, body.term, body.results, body.sort,
    page.event_id, page.occurred_at, page.recorded_at
FROM warehouse.page
CROSS JOIN LATERAL json_to_record(page.payload) AS body (session_id uuid, customer_id bigint, term text, results bigint, sort text)
WHERE page.kind = 'searches'
ON CONFLICT (event_id) DO NOTHING
