-- The client sessions of this database, without the current one.
SELECT greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0))::double precision
FROM pg_stat_activity
WHERE datname = current_database()
    AND backend_type = 'client backend'
    AND pid <> pg_backend_pid()
