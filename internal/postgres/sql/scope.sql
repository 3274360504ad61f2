-- The settings that row-level security reads, for the length of the transaction. Each is set, also to nothing, so that a
-- value of the session does not count.
SELECT
    set_config('carewire.scope', $1, true),
    set_config('carewire.person', $2, true),
    set_config('carewire.clinics', $3, true),
    set_config('carewire.clinical', $4, true),
    set_config('carewire.patient_at', $5, true)
