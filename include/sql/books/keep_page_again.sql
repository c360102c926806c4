-- A page compared once more; what was found before is replaced.
UPDATE pages SET balanced = %(balanced)s, lines = %(lines)s, compared_at = now() WHERE page_id = %(page_id)s
