-- Until the transaction ends.
SELECT set_config('role', 'none', true)
