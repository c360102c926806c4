-- Carry a page's lines into the totals, without what its comparison before had put there.
INSERT INTO page_totals AS t (stage, stream, events, expected_events, cents, expected_cents)
SELECT stage, stream, sum(sign * events), sum(sign * expected_events), sum(sign * cents), sum(sign * expected_cents)
FROM (
    SELECT 1 AS sign, line.* FROM jsonb_to_recordset(%(lines)s::jsonb)
        AS line (stage text, stream text, events bigint, expected_events bigint, cents bigint, expected_cents bigint)
    UNION ALL
    SELECT -1, line.* FROM jsonb_to_recordset(%(before)s::jsonb)
        AS line (stage text, stream text, events bigint, expected_events bigint, cents bigint, expected_cents bigint)
) AS change
GROUP BY stage, stream
ON CONFLICT (stage, stream) DO UPDATE
    SET events = t.events + excluded.events,
        expected_events = t.expected_events + excluded.expected_events,
        cents = t.cents + excluded.cents,
        expected_cents = t.expected_cents + excluded.expected_cents
