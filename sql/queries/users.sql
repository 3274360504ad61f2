-- People, and their identities at providers.

-- The hot path of every request with a token: the person, whether they may sign in, and their
-- roles; one row for each membership, or one without. The view actors costs twice as much to
-- compute, and its JSON has to be parsed.
-- Sign-ins that wait together are one statement; number is that of the sign-in, from 1 on.
-- name: ActorByIdentities :many
SELECT
    k.number::bigint AS number,
    a.id,
    a.status,
    a.clinic_id,
    a.role,
    a.granted_at,
    a.membership_id,
    a.actor_version
FROM unnest(@issuers::text[]) WITH ORDINALITY AS k (issuer, number)
CROSS JOIN LATERAL actor_by_sign_in(k.issuer, (@subjects::text[])[k.number]) AS a;

-- A subject that is not a person may be another system with a service account; unless the account
-- was never activated with a token and the sign-in's verified address can be linked to a person: an
-- account cannot lock out a person by naming their subject.
-- name: ServiceByIdentity :one
SELECT
    s.id::uuid AS id,
    s.status::text AS status,
    s.clinic_id::uuid AS clinic_id,
    s.persons::boolean AS persons
FROM service_by_sign_in(@issuer::text, @subject::text, @emails::text[]) AS s;

-- name: UserActor :one
SELECT
    a.id,
    a.status,
    a.memberships
FROM actor_by_id(@user_id::uuid) AS a;

-- Links an issuer's subject to the person with its verified email, once. A second subject of the
-- same issuer is not linked: a reassigned address must not open the first owner's account. Of
-- several people registered with the address, it is the one who verified it, else the first
-- (linkable).
-- name: IdentityLink :execrows
INSERT INTO identities (issuer, subject, user_id, proves_address)
SELECT
    @issuer::text,
    @subject::text,
    u.id,
    true
FROM linkable(@issuer::text, @subject::text, @emails::text[]) AS u (id)
WHERE u.id IS NOT NULL
ON CONFLICT ON CONSTRAINT identities_pkey DO NOTHING;

-- Returns the people whose address is one of the spellings.
-- name: UserByEmail :many
SELECT id
FROM users
WHERE email = ANY(@emails::text[])
    AND merged_into IS NULL
ORDER BY email_verified DESC, id
LIMIT 10;

-- Returns the people with a role at a clinic other than patient, or on the platform, in the order of
-- their ids.
-- name: StaffList :many
SELECT DISTINCT m.user_id
FROM memberships AS m
WHERE m.revoked_at IS NULL
    AND m.role <> 'patient'
    AND (@role::text = '' OR m.role = @role)
    AND (sqlc.narg(clinic_id)::uuid IS NULL OR m.clinic_id = sqlc.narg(clinic_id))
    AND (@status::text = '' OR EXISTS (SELECT 1 FROM users AS u WHERE u.id = m.user_id AND u.status = @status))
    AND m.user_id > @after
ORDER BY m.user_id
LIMIT @row_limit;

-- Returns accounts in the order of their ids, with all roles. A merged registration is not one.
-- name: AccountListOf :many
SELECT
    u.id,
    u.version,
    u.email,
    u.given_name,
    u.family_name,
    u.status,
    u.created_at,
    (SELECT count(*) FROM identities AS i WHERE i.user_id = u.id)::bigint AS sign_ins,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('clinicId', m.clinic_id, 'role', m.role) ORDER BY m.granted_at, m.id)
        FROM memberships AS m
        WHERE m.user_id = u.id
            AND m.revoked_at IS NULL
    ), '[]')::jsonb AS memberships
FROM users AS u
WHERE u.id = ANY(@ids::uuid[])
    AND u.merged_into IS NULL
ORDER BY u.id;

-- name: SignInList :many
SELECT
    id,
    issuer,
    subject,
    linked_at
FROM identities
WHERE user_id = @user_id
ORDER BY linked_at, id;

-- Records that the sign-in was removed from the person, so that its email address does not link it
-- again.
-- name: SignInDelete :execrows
WITH taken AS (
    DELETE FROM identities AS i
    WHERE i.id = @id
        AND i.user_id = @user_id
    RETURNING i.id, i.issuer, i.subject, i.user_id
)
INSERT INTO unlinked_sign_ins (id, issuer, subject, user_id)
SELECT
    t.id,
    t.issuer,
    t.subject,
    t.user_id
FROM taken AS t
ON CONFLICT ON CONSTRAINT unlinked_sign_ins_pkey DO UPDATE
SET
    id = excluded.id,
    unlinked_at = now();

-- name: SignInUnlinked :one
SELECT EXISTS (
    SELECT 1
    FROM unlinked_sign_ins
    WHERE user_id = @user_id
        AND id = @id
);

-- Reports whether the person exists, also outside of the actor's scope.
-- name: UserExists :one
SELECT (subject_person('user', @id::uuid) IS NOT NULL)::boolean AS known;

-- Returns the person who verified the address, if it is another one.
-- name: EmailHolder :one
SELECT u.id
FROM users AS u
WHERE u.email = ANY(@emails::text[])
    AND u.id <> @id::uuid
    AND u.merged_into IS NULL
    AND (u.email_verified OR EXISTS (SELECT 1 FROM identities AS i WHERE i.user_id = u.id AND i.proves_address))
ORDER BY u.email_verified DESC, u.id
LIMIT 1;

-- name: UserMerge :one
UPDATE users
SET
    version = version + 1,
    merged_into = @into_id::uuid,
    status = 'disabled',
    email_verified = false,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- Returns the reassigned rows of care teams, as they were.
-- name: PersonMerge :many
SELECT
    t.patient_id,
    t.clinic_id,
    t.member_id
FROM person_merge(@from_id::uuid, @into_id::uuid) AS t;

-- Serializes registrations of one address at one clinic.
-- name: EmailAtClinicLock :exec
SELECT pg_advisory_xact_lock(hashtextextended(concat(@clinic_id::uuid, @email::text), 1));

-- Reports whether another person with a role at one of the clinics has the address. People known
-- only elsewhere do not count: the clinic must not learn of them.
-- name: EmailKnownAt :one
SELECT EXISTS (
    SELECT 1
    FROM users AS u
    JOIN memberships AS m ON m.user_id = u.id
    WHERE u.email = ANY(@emails::text[])
        AND u.id <> @id::uuid
        AND m.clinic_id = ANY(@clinic_ids::uuid[])
        AND m.revoked_at IS NULL
);

-- The row is read only after the person has a role: before that, it is outside of the registering
-- actor's scope.
-- name: UserInsert :exec
INSERT INTO users (id, email, email_verified, given_name, family_name, phone, phone_verified, whatsapp, whatsapp_verified, locale, time_zone,
    birth_date, sex)
VALUES (@id, sqlc.narg(email), @email_verified, @given_name, @family_name, sqlc.narg(phone), @phone_verified, sqlc.narg(whatsapp),
    @whatsapp_verified, @locale, @time_zone, sqlc.narg(birth_date), sqlc.narg(sex));

-- name: UserGet :one
SELECT *
FROM users
WHERE id = @id;

-- name: UserLock :one
SELECT *
FROM users
WHERE id = @id
FOR UPDATE;

-- A changed address or number becomes unverified.
-- name: UserUpdate :one
UPDATE users
SET
    version = version + 1,
    email = sqlc.narg(email),
    email_verified = email_verified AND email IS NOT DISTINCT FROM sqlc.narg(email),
    given_name = @given_name,
    family_name = @family_name,
    phone = sqlc.narg(phone),
    phone_verified = phone_verified AND phone IS NOT DISTINCT FROM sqlc.narg(phone),
    whatsapp = sqlc.narg(whatsapp),
    whatsapp_verified = whatsapp_verified AND whatsapp IS NOT DISTINCT FROM sqlc.narg(whatsapp),
    locale = @locale,
    time_zone = @time_zone,
    status = @status,
    birth_date = sqlc.narg(birth_date),
    sex = sqlc.narg(sex),
    updated_at = now()
WHERE id = @id
RETURNING *;

-- Counts the person's roles, also outside of the actor's scope.
-- name: MembershipsHeld :one
SELECT memberships_held(@user_id::uuid)::bigint AS held;

-- Returns the people with a role at the clinics, in the order of their ids, after the last one of
-- the previous page. Ids are UUIDv7: a person registered meanwhile comes last.
-- name: UserList :many
SELECT
    u.id,
    u.given_name,
    u.family_name,
    u.status,
    u.deceased_on,
    jsonb_agg(jsonb_build_object('clinicId', m.clinic_id, 'role', m.role) ORDER BY m.granted_at, m.id)::jsonb AS memberships
FROM users AS u
JOIN memberships AS m ON m.user_id = u.id
WHERE m.clinic_id = ANY(@clinic_ids::uuid[])
    AND m.revoked_at IS NULL
    AND (@role::text = '' OR m.role = @role)
    AND u.id > @after
GROUP BY u.id
ORDER BY u.id
LIMIT @row_limit;

-- Like UserList, for people at one clinic who match the filters (people_find), with the data to
-- distinguish them.
-- name: UserSearch :many
SELECT
    u.id,
    u.given_name,
    u.family_name,
    u.status,
    u.deceased_on,
    u.birth_date,
    n.number,
    jsonb_agg(jsonb_build_object('clinicId', m.clinic_id, 'role', m.role) ORDER BY m.granted_at, m.id)::jsonb AS memberships
FROM people_find(@clinic_id::uuid, @name::text, sqlc.narg(birth_date)::date, @number::text, @role::text, @after::uuid, @row_limit::integer) AS f (id)
JOIN users AS u ON u.id = f.id
JOIN memberships AS m ON m.user_id = u.id AND m.clinic_id = @clinic_id AND m.revoked_at IS NULL
LEFT JOIN medical_record_numbers AS n ON n.clinic_id = @clinic_id AND n.user_id = u.id
GROUP BY u.id, n.number
ORDER BY u.id;

-- Serializes registrations of patients at one clinic, so that the second of two sees the first.
-- name: RegistrationLock :exec
SELECT pg_advisory_xact_lock(hashtextextended(concat(@clinic_id::uuid), 2));

-- name: PatientDuplicates :many
SELECT d.id::uuid AS id
FROM patient_duplicates(@clinic_id::uuid, @name::text, sqlc.narg(birth_date)::date, @numbers::text[]) AS d (id);

-- name: MedicalRecordNumberList :many
SELECT
    clinic_id,
    number
FROM medical_record_numbers
WHERE user_id = @user_id
ORDER BY clinic_id;

-- name: MedicalRecordNumberPut :exec
INSERT INTO medical_record_numbers (clinic_id, user_id, number)
VALUES (@clinic_id, @user_id, @number)
ON CONFLICT ON CONSTRAINT medical_record_numbers_pkey DO UPDATE
SET number = excluded.number;

-- name: MedicalRecordNumberDelete :exec
DELETE FROM medical_record_numbers
WHERE clinic_id = @clinic_id
    AND user_id = @user_id;

-- Moves the numbers of a merged person. If the other person has a number at the clinic, it is kept
-- and the merged one's deleted.
-- name: MedicalRecordNumberMerge :exec
WITH moved AS (
    DELETE FROM medical_record_numbers AS n
    WHERE n.user_id = @from_id
    RETURNING n.clinic_id, n.number
)
INSERT INTO medical_record_numbers (clinic_id, user_id, number)
SELECT
    m.clinic_id,
    @into_id::uuid,
    m.number
FROM moved AS m
ON CONFLICT ON CONSTRAINT medical_record_numbers_pkey DO NOTHING;

-- Completes a person's row with the details of the person merged into it.
-- name: UserComplete :one
UPDATE users AS u
SET
    version = u.version + 1,
    birth_date = coalesce(u.birth_date, f.birth_date),
    sex = coalesce(u.sex, f.sex),
    updated_at = now()
FROM users AS f
WHERE u.id = @into_id
    AND f.id = @from_id
RETURNING u.*;

-- Returns those of the clinics where the person is or was a patient.
-- name: PatientEverAt :many
SELECT DISTINCT clinic_id::uuid AS clinic_id
FROM memberships
WHERE user_id = @user_id
    AND clinic_id = ANY(@clinic_ids::uuid[])
    AND role = 'patient'
ORDER BY 1;

-- Counts the person's staff roles, also outside of the actor's scope.
-- name: StaffRolesHeld :one
SELECT staff_roles_held(@user_id::uuid)::bigint AS held;

-- name: UserDeceasedSet :one
UPDATE users
SET
    version = version + 1,
    deceased_on = sqlc.narg(deceased_on),
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: DeathInsert :exec
INSERT INTO deaths (id, user_id, clinic_id, deceased_on, recorded_by)
VALUES (@id, @user_id, @clinic_id, @deceased_on, @recorded_by);

-- name: DeathWithdraw :exec
UPDATE deaths
SET
    withdrawn_at = now(),
    withdrawn_by = @withdrawn_by::text,
    withdrawal_reason = @withdrawal_reason::text
WHERE user_id = @user_id
    AND withdrawn_at IS NULL;
