-- What row-level security lets a transaction see: for its own length, and gone with it. Each setting is set, also to nothing:
-- one that somebody set for the session must not count.
SELECT
    set_config('carewire.scope', $1, true),
    set_config('carewire.person', $2, true),
    set_config('carewire.clinics', $3, true),
    set_config('carewire.clinical', $4, true),
    set_config('carewire.patient_at', $5, true)
