-- A step that was a slip is taken back on the same day: the appointment goes back to the status before it. The reason is kept
-- here; the event says which statuses, not why.
-- +carewire allow validate appointments: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- previous_status is the status before the current one; null where the appointment never changed it, or did before this
-- migration.
ALTER TABLE appointments ADD COLUMN previous_status text;
ALTER TABLE appointments ADD CONSTRAINT appointments_previous_status_known
    CHECK (previous_status IN ('requested', 'booked', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show')) NOT VALID;
ALTER TABLE appointments VALIDATE CONSTRAINT appointments_previous_status_known;

-- version is the one that the reversal made.
CREATE TABLE appointment_reversals (
    appointment_id uuid NOT NULL,
    version bigint NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    reason text NOT NULL,
    reversed_at timestamptz NOT NULL,
    reversed_by text NOT NULL,
    CONSTRAINT appointment_reversals_pkey PRIMARY KEY (appointment_id, version),
    CONSTRAINT appointment_reversals_appointment_id_fkey FOREIGN KEY (appointment_id) REFERENCES appointments (id),
    CONSTRAINT appointment_reversals_reason_length CHECK (char_length(reason) BETWEEN 1 AND 1000)
);

-- For those who work at the clinic: a reason may name another patient.
ALTER TABLE appointment_reversals ENABLE ROW LEVEL SECURITY;
CREATE POLICY appointment_reversals_app ON appointment_reversals TO carewire_app USING (EXISTS (
    SELECT 1
    FROM appointments AS a
    WHERE a.id = appointment_id
        AND ((SELECT scope_is('system')) OR a.clinic_id = ANY((SELECT scope_clinics())::uuid[]))
));

GRANT SELECT, INSERT ON appointment_reversals TO carewire_app;
