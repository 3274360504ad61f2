-- A critical finding is a clinician's to say first: the record is withheld from its patient, and the patient's messages wait,
-- until a doctor has seen it or the clinic's period has passed.
-- +carewire allow create-index notifications: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- Set by the version that raises a new critical finding, cleared when a doctor has seen it. While it is in the future the record
-- does not exist for its patient.
ALTER TABLE records ADD COLUMN held_until timestamptz;

-- Until when the telling waits; NULL once it does not. A person does not see a held notification in their inbox. One that was
-- held when its record was retracted stays so for good ('infinity').
ALTER TABLE notifications ADD COLUMN held_until timestamptz;
CREATE INDEX notifications_held_due_idx ON notifications (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX notifications_held_recipient_idx ON notifications (recipient_id) WHERE held_until IS NOT NULL;

-- The planner and the sweep look whether a record is held, and at nothing else of it.
GRANT SELECT (id, status, held_until) ON records TO carewire_worker;
CREATE POLICY records_worker ON records FOR SELECT TO carewire_worker USING (true);

-- The planner looks who takes part in a conversation, and not at what is written there.
GRANT SELECT (id, patient_id) ON conversations TO carewire_worker;
CREATE POLICY conversations_worker ON conversations FOR SELECT TO carewire_worker USING (true);
GRANT SELECT (conversation_id, user_id, left_at) ON conversation_participants TO carewire_worker;
CREATE POLICY conversation_participants_worker ON conversation_participants FOR SELECT TO carewire_worker USING (true);
