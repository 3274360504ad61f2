-- Row-level security: the second lock, behind the access table of the service. A transaction of carewire_app sees the
-- rows of the clinics where its actor works, what is about the actor, and nothing else: a query that forgot its WHERE
-- finds nobody else's. The service says who the actor is with settings that last as long as the transaction
-- (postgres.BeginAs); without them nothing is seen. What the actor may do with what is seen is the access table's to say.
--
-- Not kept are tables without persons' data, or that are read before it is known who asks: clinics, identities, web_sessions
-- and socket_tickets (digests of secrets), the outbox and the ledger (ids, types and times).
-- +goose Up
SET lock_timeout = '5s';

-- The settings of a transaction. After one has ended they are '', not NULL. Policies call these in a subquery, so that
-- each is evaluated once a statement.
CREATE FUNCTION scope_is(VARIADIC p_scopes text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('carewire.scope', true) = ANY(p_scopes), false);

CREATE FUNCTION scope_person() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('carewire.person', true), '')::uuid;

CREATE FUNCTION scope_clinics() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('carewire.clinics', true), ''), '{}')::uuid[];

CREATE FUNCTION scope_patient_at() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('carewire.patient_at', true), ''), '{}')::uuid[];

-- Who holds which role: those who work at the clinic see it of all there, its patients of doctors and nurses.
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
CREATE POLICY memberships_app_see ON memberships FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR clinic_id = ANY((SELECT scope_clinics())::uuid[])
    OR user_id = (SELECT scope_person())
    OR (role IN ('doctor', 'nurse') AND clinic_id = ANY((SELECT scope_patient_at())::uuid[]))
);
CREATE POLICY memberships_app_grant ON memberships FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY memberships_app_revoke ON memberships FOR UPDATE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY memberships_worker ON memberships TO carewire_worker USING (true);

-- People are seen with their memberships. One who is just being registered has none yet. Taking a person's row lock needs
-- what an update needs, which a patient does with their doctor's to get an appointment; what it may write is less.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_app_see ON users FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR id = (SELECT scope_person())
    OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = users.id)
);
CREATE POLICY users_app_register ON users FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR cardinality((SELECT scope_clinics())) > 0);
CREATE POLICY users_app_change ON users FOR UPDATE TO carewire_app
    USING (true)
    WITH CHECK (
        (SELECT scope_is('system'))
        OR id = (SELECT scope_person())
        OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = users.id AND m.clinic_id = ANY((SELECT scope_clinics())::uuid[]))
    );
CREATE POLICY users_worker ON users TO carewire_worker USING (true);

ALTER TABLE care_team ENABLE ROW LEVEL SECURITY;
CREATE POLICY care_team_app_see ON care_team FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR patient_id = (SELECT scope_person())
);
CREATE POLICY care_team_app_join ON care_team FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY care_team_app_leave ON care_team FOR DELETE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY care_team_worker ON care_team TO carewire_worker USING (true);

-- One's own devices and preferences are nobody else's to see.
ALTER TABLE devices ENABLE ROW LEVEL SECURITY;
CREATE POLICY devices_app ON devices TO carewire_app USING ((SELECT scope_is('system')) OR user_id = (SELECT scope_person()));
CREATE POLICY devices_worker ON devices TO carewire_worker USING (true);
ALTER TABLE preferences ENABLE ROW LEVEL SECURITY;
CREATE POLICY preferences_app ON preferences TO carewire_app USING ((SELECT scope_is('system')) OR user_id = (SELECT scope_person()));
CREATE POLICY preferences_worker ON preferences TO carewire_worker USING (true);

-- What is about a patient at a clinic: seen by those who work there and by the patient. A patient writes appointments only.
ALTER TABLE records ENABLE ROW LEVEL SECURITY;
CREATE POLICY records_app ON records TO carewire_app
    USING (
        (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR patient_id = (SELECT scope_person())
    )
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
ALTER TABLE record_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY record_versions_app ON record_versions TO carewire_app
    USING (EXISTS (SELECT 1 FROM records AS r WHERE r.id = record_id));
ALTER TABLE appointments ENABLE ROW LEVEL SECURITY;
CREATE POLICY appointments_app ON appointments TO carewire_app USING (
    (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR patient_id = (SELECT scope_person())
);
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
CREATE POLICY invoices_app ON invoices TO carewire_app
    USING (
        (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR patient_id = (SELECT scope_person())
    )
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
ALTER TABLE invoice_lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY invoice_lines_app ON invoice_lines TO carewire_app
    USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id));
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
CREATE POLICY payments_app ON payments TO carewire_app USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id));
ALTER TABLE refunds ENABLE ROW LEVEL SECURITY;
CREATE POLICY refunds_app ON refunds TO carewire_app USING (EXISTS (SELECT 1 FROM payments AS p WHERE p.id = payment_id));

-- What people were told: their own, and for operators everybody's (ids, states and codes).
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
CREATE POLICY notifications_app ON notifications TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY notifications_worker ON notifications TO carewire_worker USING (true);
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY deliveries_app ON deliveries TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY deliveries_worker ON deliveries TO carewire_worker USING (true);
ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
CREATE POLICY decisions_app ON decisions TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY decisions_worker ON decisions TO carewire_worker USING (true);

-- What the service must know of others' rows, each in one function that tells no more than that.

-- device_release takes a push token from whoever else has it: it belongs to one person at a time.
-- +goose StatementBegin
CREATE FUNCTION device_release(p_token text, p_user_id uuid) RETURNS SETOF devices
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    DELETE FROM devices AS d
    WHERE d.token = p_token
        AND d.user_id <> p_user_id
    RETURNING d.*;
END;
-- +goose StatementEnd

-- appointments_taken finds what holds a slot of the doctor's or the patient's in that time, at whichever clinic, but for the
-- appointment p_id itself. The two halves have an exclusion constraint's index each, which a query under a policy could not
-- use: && is not leakproof.
-- +goose StatementBegin
CREATE FUNCTION appointments_taken(p_doctor_id uuid, p_patient_id uuid, p_starts_at timestamptz, p_ends_at timestamptz, p_id uuid)
RETURNS SETOF appointments
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT a.*
    FROM appointments AS a
    WHERE a.doctor_id = p_doctor_id
        AND a.status IN ('booked', 'confirmed', 'checked_in')
        AND NOT a.historic
        AND tstzrange(a.starts_at, a.ends_at) && tstzrange(p_starts_at, p_ends_at)
        AND a.id <> p_id
    UNION
    SELECT a.*
    FROM appointments AS a
    WHERE a.patient_id = p_patient_id
        AND a.status IN ('booked', 'confirmed', 'checked_in')
        AND NOT a.historic
        AND tstzrange(a.starts_at, a.ends_at) && tstzrange(p_starts_at, p_ends_at)
        AND a.id <> p_id;
END;
-- +goose StatementEnd

-- memberships_held counts a person's roles everywhere: one clinic must not change what others rely on.
CREATE FUNCTION memberships_held(p_user_id uuid) RETURNS bigint
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (SELECT count(*) FROM memberships AS m WHERE m.user_id = p_user_id AND m.revoked_at IS NULL);

-- subject_person and subject_clinic tell whom a refused thing is about and whose clinic keeps it, for the audit trail, which
-- must know also when the one who was refused may not.
CREATE FUNCTION subject_person(p_kind text, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN CASE
    WHEN p_kind IN ('user', 'patient') THEN (SELECT u.id FROM users AS u WHERE u.id = p_id)
    WHEN p_kind = 'appointment' THEN (SELECT a.patient_id FROM appointments AS a WHERE a.id = p_id)
    WHEN p_kind = 'invoice' THEN (SELECT i.patient_id FROM invoices AS i WHERE i.id = p_id)
    WHEN p_kind = 'payment' THEN (SELECT i.patient_id FROM payments AS p JOIN invoices AS i ON i.id = p.invoice_id WHERE p.id = p_id)
    ELSE (SELECT r.patient_id FROM records AS r WHERE r.id = p_id AND r.kind = p_kind)
END;

CREATE FUNCTION subject_clinic(p_kind text, p_id uuid) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN CASE
    WHEN p_kind IN ('user', 'patient') THEN NULL
    WHEN p_kind = 'appointment' THEN (SELECT a.clinic_id FROM appointments AS a WHERE a.id = p_id)
    WHEN p_kind = 'invoice' THEN (SELECT i.clinic_id FROM invoices AS i WHERE i.id = p_id)
    WHEN p_kind = 'payment' THEN (SELECT i.clinic_id FROM payments AS p JOIN invoices AS i ON i.id = p.invoice_id WHERE p.id = p_id)
    ELSE (SELECT r.clinic_id FROM records AS r WHERE r.id = p_id AND r.kind = p_kind)
END;
REVOKE ALL ON FUNCTION device_release, appointments_taken, memberships_held, subject_person, subject_clinic FROM PUBLIC;
GRANT EXECUTE ON FUNCTION device_release, appointments_taken, memberships_held, subject_person, subject_clinic TO carewire_app;
