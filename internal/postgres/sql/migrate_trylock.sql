-- The session holds the lock. A statement that waited for it would keep a snapshot that an index build waits for.
SELECT pg_try_advisory_lock(hashtextextended('carewire.migrate', 0))
