-- The scope of scope.sql for an actor that was cached from an earlier request: it fails if the actor has changed since.
SELECT
    set_config('carewire.scope', $1, true),
    set_config('carewire.person', $2, true),
    set_config('carewire.clinics', $3, true),
    set_config('carewire.clinical', $4, true),
    set_config('carewire.patient_at', $5, true),
    actor_holds($6, $7)
