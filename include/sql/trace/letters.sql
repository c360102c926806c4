-- The dead letters that give themselves this id.
SELECT topic, "partition", "offset", reason, detail, replayed_at FROM dead_letters WHERE event_id = %(event_id)s ORDER BY arrived_at
