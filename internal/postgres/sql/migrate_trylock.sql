-- Held by the session. Trying, rather than waiting in the statement, keeps no snapshot that an index build would wait for.
SELECT pg_try_advisory_lock(hashtextextended('carewire.migrate', 0))
