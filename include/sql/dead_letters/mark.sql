-- Note that a dead letter was published again.
UPDATE dead_letters SET replayed_at = now() WHERE topic = %(topic)s AND "partition" = %(partition)s AND "offset" = %(offset)s AND replayed_at IS NULL
