-- The body as the text that came, which Postgres reads in half the time of jsonb; and beside it, as columns, what the metrics count and whose event it is, so that nobody reads the text for that.
-- All rows are written anew, once; the views on the table are put back as they were.
DO $$
DECLARE
    views regclass[];
    texts text[];
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'realtime_events'::regclass AND attname = 'total_cents') THEN
        RETURN;
    END IF;
    WITH RECURSIVE above (view, depth) AS (
        SELECT 'realtime_events'::regclass::oid, 0
        UNION
        SELECT pg_rewrite.ev_class, above.depth + 1
        FROM above
        INNER JOIN pg_depend ON pg_depend.refobjid = above.view AND pg_depend.refclassid = 'pg_class'::regclass AND pg_depend.classid = 'pg_rewrite'::regclass
        INNER JOIN pg_rewrite ON pg_rewrite.oid = pg_depend.objid AND pg_rewrite.ev_class <> above.view
    ),
    found AS (SELECT view, max(depth) AS depth FROM above WHERE depth > 0 GROUP BY view)
    SELECT array_agg(view::regclass ORDER BY depth), array_agg(format('CREATE VIEW %s AS %s', view::regclass, pg_get_viewdef(view)) ORDER BY depth)
    INTO views, texts
    FROM found;
    IF views IS NOT NULL THEN
        EXECUTE 'DROP VIEW ' || array_to_string(views, ', ');
    END IF;
    ALTER TABLE realtime_events
        ADD COLUMN customer_id bigint, ADD COLUMN status text,
        ADD COLUMN category text, ADD COLUMN product_id bigint, ADD COLUMN product_name text, ADD COLUMN quantity bigint, ADD COLUMN results bigint,
        ADD COLUMN gross_cents bigint, ADD COLUMN discount_cents bigint, ADD COLUMN net_cents bigint, ADD COLUMN tax_cents bigint, ADD COLUMN total_cents bigint;
    ALTER TABLE realtime_events
        ALTER COLUMN customer_id TYPE bigint USING (payload ->> 'customer_id')::bigint,
        ALTER COLUMN status TYPE text USING coalesce(payload ->> 'status', payload ->> 'action'),
        ALTER COLUMN category TYPE text USING CASE kind WHEN 'transaction_items' THEN payload ->> 'category' END,
        ALTER COLUMN product_id TYPE bigint USING CASE kind WHEN 'transaction_items' THEN (payload ->> 'product_id')::bigint END,
        ALTER COLUMN product_name TYPE text USING CASE kind WHEN 'transaction_items' THEN payload ->> 'product_name' END,
        ALTER COLUMN quantity TYPE bigint USING (payload ->> 'quantity')::bigint,
        ALTER COLUMN results TYPE bigint USING (payload ->> 'results')::bigint,
        ALTER COLUMN gross_cents TYPE bigint USING (payload ->> 'gross_cents')::bigint,
        ALTER COLUMN discount_cents TYPE bigint USING (payload ->> 'discount_cents')::bigint,
        ALTER COLUMN net_cents TYPE bigint USING (payload ->> 'net_cents')::bigint,
        ALTER COLUMN tax_cents TYPE bigint USING (payload ->> 'tax_cents')::bigint,
        ALTER COLUMN total_cents TYPE bigint USING coalesce(payload ->> 'total_cents', payload ->> 'value_cents')::bigint,
        ALTER COLUMN payload TYPE json USING payload::json;
    IF views IS NOT NULL THEN
        EXECUTE array_to_string(texts, '; ');
    END IF;
END $$
