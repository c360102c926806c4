-- Two who prepare one database take turns; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtext('instashop prepare'))
