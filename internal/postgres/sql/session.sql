-- The settings of every connection of the service. Keepalive settings are ignored on Unix sockets. No statement
-- reads enough rows to earn back its compilation, which takes 100 ms and more.
SELECT
    set_config('role', $1, false),
    set_config('statement_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $3, false),
    set_config('tcp_keepalives_idle', $4, false),
    set_config('tcp_keepalives_interval', $5, false),
    set_config('tcp_keepalives_count', $6, false),
    set_config('tcp_user_timeout', $7, false),
    set_config('jit', 'off', false),
    set_config('default_transaction_isolation', 'read committed', false)
