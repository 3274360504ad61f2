-- Every role sees the application names of all users' connections.
SELECT DISTINCT application_name
FROM pg_stat_activity
WHERE datname = current_database()
    AND starts_with(application_name, $1)
ORDER BY application_name;
