-- Forget windows that have changed, that another text of windows.sql has said, or that Redis no longer keeps.
DELETE FROM kept_windows
WHERE start < %(since)s
    OR start = ANY (%(changed)s)
    OR start IN (SELECT start FROM kept_windows WHERE field = '' AND measures ->> 'text' IS DISTINCT FROM %(text)s)
