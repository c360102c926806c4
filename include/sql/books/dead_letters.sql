-- Dead letters of the consumer's judge between two offsets of a partition; a known id with another body is named by its repeat.
SELECT count(*) FROM dead_letters
WHERE topic = %(topic)s AND "partition" = %(partition)s AND "offset" >= %(begin)s AND "offset" < %(end)s AND reason <> 'same_id_other_body'
