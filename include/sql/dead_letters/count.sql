-- How many dead letters there are for each reason, and how many of them have been replayed.
SELECT reason, count(*), count(replayed_at), max(arrived_at) FROM dead_letters GROUP BY reason ORDER BY 2 DESC, reason
