-- Conversations between a patient and those who care for them at a clinic. Texts and subjects are protected health
-- information: they are in these tables and nowhere else.
-- +goose Up
SET lock_timeout = '5s';

-- last_number is that of the newest message.
CREATE TABLE conversations (
    id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    subject text NOT NULL,
    last_number bigint NOT NULL,
    last_activity_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT conversations_pkey PRIMARY KEY (id),
    CONSTRAINT conversations_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT conversations_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES users (id),
    CONSTRAINT conversations_subject_length CHECK (char_length(subject) <= 200),
    CONSTRAINT conversations_last_number_not_negative CHECK (last_number >= 0)
);
CREATE INDEX conversations_patient_idx ON conversations (patient_id, clinic_id);
CREATE INDEX conversations_clinic_idx ON conversations (clinic_id);

-- A message is never changed, only withdrawn; its text stays, for the audit.
CREATE TABLE conversation_messages (
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    number bigint NOT NULL,
    author_id uuid NOT NULL,
    text text NOT NULL,
    written_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    CONSTRAINT conversation_messages_pkey PRIMARY KEY (id),
    CONSTRAINT conversation_messages_number_key UNIQUE (conversation_id, number),
    CONSTRAINT conversation_messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations (id),
    CONSTRAINT conversation_messages_author_id_fkey FOREIGN KEY (author_id) REFERENCES users (id),
    CONSTRAINT conversation_messages_number_positive CHECK (number > 0),
    CONSTRAINT conversation_messages_text_length CHECK (char_length(text) BETWEEN 1 AND 4000)
);
CREATE INDEX conversation_messages_author_idx ON conversation_messages (author_id);

-- Who takes part, and how far each has read. last_activity_at is the conversation's, for a list in its order.
--
-- unread_since is when the first message was written that the person has not read and is to be reminded of; null while
-- there is none, and from a reminder until they have read something. reminded_number is the newest message then: of those up
-- to it they are not reminded again.
--
-- left_untold says that chat.participant_left is still to be appended.
CREATE TABLE conversation_participants (
    conversation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    joined_at timestamptz NOT NULL,
    left_at timestamptz,
    left_untold boolean NOT NULL DEFAULT false,
    last_activity_at timestamptz NOT NULL,
    read_number bigint NOT NULL DEFAULT 0,
    unread_since timestamptz,
    reminded_at timestamptz,
    reminded_number bigint NOT NULL DEFAULT 0,
    CONSTRAINT conversation_participants_pkey PRIMARY KEY (conversation_id, user_id),
    CONSTRAINT conversation_participants_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations (id),
    CONSTRAINT conversation_participants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT conversation_participants_untold_has_left CHECK (left_at IS NOT NULL OR NOT left_untold),
    CONSTRAINT conversation_participants_awaits_one_thing CHECK (unread_since IS NULL OR (reminded_at IS NULL AND left_at IS NULL))
);
CREATE INDEX conversation_participants_user_idx ON conversation_participants (user_id, last_activity_at DESC, conversation_id DESC);
CREATE INDEX conversation_participants_unread_idx ON conversation_participants (unread_since) WHERE unread_since IS NOT NULL;
CREATE INDEX conversation_participants_untold_idx ON conversation_participants (conversation_id, user_id) WHERE left_untold;

-- Who is no longer on a patient's care team takes no longer part in the conversations about that patient, from the same
-- commit on. The event follows (left_untold).
-- +goose StatementBegin
CREATE FUNCTION conversations_leave() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE conversation_participants AS p
    SET
        left_at = now(),
        left_untold = true,
        unread_since = NULL
    FROM conversations AS c
    WHERE c.patient_id = OLD.patient_id
        AND c.clinic_id = OLD.clinic_id
        AND c.patient_id <> OLD.member_id
        AND p.conversation_id = c.id
        AND p.user_id = OLD.member_id
        AND p.left_at IS NULL;
    RETURN NULL;
END;
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION conversations_leave FROM PUBLIC;
CREATE TRIGGER care_team_leaves_conversations AFTER DELETE ON care_team
    FOR EACH ROW EXECUTE FUNCTION conversations_leave();

GRANT SELECT, INSERT ON conversations, conversation_messages, conversation_participants TO carewire_app;
GRANT UPDATE (last_number, last_activity_at) ON conversations TO carewire_app;
GRANT UPDATE (withdrawn_at) ON conversation_messages TO carewire_app;
GRANT UPDATE ON conversation_participants TO carewire_app;

-- The second lock: a conversation is its clinic's and its patient's. Who takes part in it the service decides.
ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
CREATE POLICY conversations_app ON conversations TO carewire_app USING (
    (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR patient_id = (SELECT scope_person())
);
ALTER TABLE conversation_messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY conversation_messages_app ON conversation_messages TO carewire_app
    USING (EXISTS (SELECT 1 FROM conversations AS c WHERE c.id = conversation_id));
ALTER TABLE conversation_participants ENABLE ROW LEVEL SECURITY;
CREATE POLICY conversation_participants_app ON conversation_participants TO carewire_app
    USING (EXISTS (SELECT 1 FROM conversations AS c WHERE c.id = conversation_id));

-- Whom a refused conversation is about.
CREATE OR REPLACE FUNCTION subject_person(p_kind text, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN CASE
    WHEN p_kind IN ('user', 'patient') THEN (SELECT u.id FROM users AS u WHERE u.id = p_id)
    WHEN p_kind = 'appointment' THEN (SELECT a.patient_id FROM appointments AS a WHERE a.id = p_id)
    WHEN p_kind = 'invoice' THEN (SELECT i.patient_id FROM invoices AS i WHERE i.id = p_id)
    WHEN p_kind = 'payment' THEN (SELECT i.patient_id FROM payments AS p JOIN invoices AS i ON i.id = p.invoice_id WHERE p.id = p_id)
    WHEN p_kind = 'conversation' THEN (SELECT c.patient_id FROM conversations AS c WHERE c.id = p_id)
    ELSE (SELECT r.patient_id FROM records AS r WHERE r.id = p_id AND r.kind = p_kind)
END;

CREATE OR REPLACE FUNCTION subject_clinic(p_kind text, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN CASE
    WHEN p_kind IN ('user', 'patient') THEN NULL
    WHEN p_kind = 'appointment' THEN (SELECT a.clinic_id FROM appointments AS a WHERE a.id = p_id)
    WHEN p_kind = 'invoice' THEN (SELECT i.clinic_id FROM invoices AS i WHERE i.id = p_id)
    WHEN p_kind = 'payment' THEN (SELECT i.clinic_id FROM payments AS p JOIN invoices AS i ON i.id = p.invoice_id WHERE p.id = p_id)
    WHEN p_kind = 'conversation' THEN (SELECT c.clinic_id FROM conversations AS c WHERE c.id = p_id)
    ELSE (SELECT r.clinic_id FROM records AS r WHERE r.id = p_id AND r.kind = p_kind)
END;
