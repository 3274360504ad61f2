-- What row-level security lets a transaction see: for its own length, and gone with it.
SELECT
    set_config('carewire.scope', $1, true),
    set_config('carewire.person', $2, true),
    set_config('carewire.clinics', $3, true),
    set_config('carewire.patient_at', $4, true)
