-- Note that a dead letter was published again, with the moment before that.
UPDATE dead_letters SET replayed_at = %(at)s WHERE topic = %(topic)s AND "partition" = %(partition)s AND "offset" = %(offset)s AND replayed_at IS NULL
