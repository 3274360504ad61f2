-- Who signs in, by which subject, and in which roles was readable without a scope: the views actors and sign_ins, the
-- identities and the service accounts. So were the keys that all instances share. What is read before it is known who asks
-- is now a function that takes what the one who asks has shown.
-- +goose Up
SET lock_timeout = '5s';

-- Each is in plpgsql, which keeps its plan for the session: a function in SQL is planned on each call.

-- actor_by_sign_in returns the person that signs in by the subject, with a row for each role that they hold, or one without.
-- +goose StatementBegin
CREATE FUNCTION actor_by_sign_in(p_issuer text, p_subject text) RETURNS SETOF sign_ins
LANGUAGE plpgsql STABLE
ROWS 1
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.*
    FROM sign_ins AS s
    WHERE s.issuer = p_issuer
        AND s.subject = p_subject;
END
$$;
-- +goose StatementEnd

-- service_by_sign_in returns the service account that signs in by the subject. persons says that no token ever proved the
-- account and that the sign-in's verified address is that of a person to whom it can be linked.
-- +goose StatementBegin
CREATE FUNCTION service_by_sign_in(p_issuer text, p_subject text, p_emails text[])
RETURNS TABLE (id uuid, status text, clinic_id uuid, persons boolean)
LANGUAGE plpgsql STABLE
ROWS 1
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT
        a.id,
        a.status,
        a.clinic_id,
        a.activation_digest IS NULL AND cardinality(p_emails) > 0 AND linkable(a.issuer, a.subject, p_emails) IS NOT NULL
    FROM service_accounts AS a
    WHERE a.issuer = p_issuer
        AND a.subject = p_subject
        AND a.activated_at IS NOT NULL;
END
$$;
-- +goose StatementEnd

-- actor_by_id returns one person's status and roles, for a session or a ticket that is theirs.
-- +goose StatementBegin
CREATE FUNCTION actor_by_id(p_user_id uuid) RETURNS SETOF actors
LANGUAGE plpgsql STABLE
ROWS 1
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT a.*
    FROM actors AS a
    WHERE a.id = p_user_id;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION actor_by_sign_in, service_by_sign_in, actor_by_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION actor_by_sign_in, service_by_sign_in, actor_by_id TO carewire_app;
REVOKE ALL ON actors, sign_ins FROM carewire_app;

-- A sign-in is linked by the service itself, before it is known who asks. One's own may be seen, and so may those of the people
-- whom the scope shows, for an administrator who takes a wrong one back.
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
CREATE POLICY identities_app_see ON identities FOR SELECT TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR user_id = (SELECT scope_person()) OR EXISTS (SELECT 1 FROM users AS u WHERE u.id = user_id));
CREATE POLICY identities_app_unlink ON identities FOR DELETE TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR EXISTS (SELECT 1 FROM users AS u WHERE u.id = user_id));
CREATE POLICY identities_app_link ON identities FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')));
ALTER TABLE unlinked_sign_ins ENABLE ROW LEVEL SECURITY;
CREATE POLICY unlinked_sign_ins_app ON unlinked_sign_ins TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR EXISTS (SELECT 1 FROM users AS u WHERE u.id = user_id));

-- A service account is its clinic's.
ALTER TABLE service_accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY service_accounts_app ON service_accounts TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

-- Whose a refused service account is, for the audit trail.
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
    WHEN p_kind = 'service_account' THEN (SELECT s.clinic_id FROM service_accounts AS s WHERE s.id = p_id)
    ELSE (SELECT r.clinic_id FROM records AS r WHERE r.id = p_id AND r.kind = p_kind)
END;

-- The keys of cursors and cookies: the service reads them at its start over the worker's login. Requests need none.
REVOKE ALL ON service_settings FROM carewire_app;
