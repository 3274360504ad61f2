-- Clinics, roles at clinics, and care teams.

-- name: ClinicInsert :one
INSERT INTO clinics (id, name, time_zone)
VALUES (@id, @name, @time_zone)
RETURNING *;

-- Serializes registrations of clinics, so that the second of two with one name sees the first.
-- name: ClinicNameLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('carewire clinic names', 3));

-- Returns the clinic with the name, ignoring case.
-- name: ClinicByName :one
SELECT *
FROM clinics
WHERE lower(name) = lower(@name)
    AND id <> @id
ORDER BY id
LIMIT 1;

-- name: ClinicLock :one
SELECT *
FROM clinics
WHERE id = @id
FOR UPDATE;

-- name: ClinicUpdate :one
UPDATE clinics
SET
    version = version + 1,
    name = @name,
    time_zone = @time_zone,
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: ClinicListOf :many
SELECT *
FROM clinics
WHERE id = ANY(@ids::uuid[])
    AND id > @after
ORDER BY id
LIMIT @row_limit;

-- name: ClinicList :many
SELECT *
FROM clinics
WHERE id > @after
ORDER BY id
LIMIT @row_limit;

-- name: MembershipListOfUser :many
SELECT *
FROM memberships
WHERE user_id = @user_id
    AND revoked_at IS NULL
ORDER BY granted_at, id;

-- Returns the roles of the people at the clinic.
-- name: MembershipListAt :many
SELECT
    user_id,
    role
FROM memberships
WHERE clinic_id = @clinic_id
    AND user_id = ANY(@user_ids::uuid[])
    AND revoked_at IS NULL;

-- A role that is already held is left unchanged and not returned.
-- name: MembershipInsertMany :many
INSERT INTO memberships (id, user_id, clinic_id, role)
SELECT
    unnest(@ids::uuid[]),
    @user_id::uuid,
    sqlc.narg(clinic_id)::uuid,
    unnest(@roles::text[])
ON CONFLICT DO NOTHING
RETURNING *;

-- name: MembershipRevoke :one
UPDATE memberships
SET revoked_at = now()
WHERE user_id = @user_id
    AND clinic_id IS NOT DISTINCT FROM sqlc.narg(clinic_id)
    AND role = @role
    AND revoked_at IS NULL
RETURNING id;

-- name: MembershipUser :one
SELECT user_id
FROM memberships
WHERE id = @id;

-- Returns the roles of staff and on the platform, but not those of patients, in the order of the
-- people's ids, after a role; zero ids precede all.
-- name: StaffRoleList :many
SELECT
    m.id,
    m.user_id,
    m.clinic_id,
    m.role,
    m.granted_at,
    u.email,
    u.given_name,
    u.family_name
FROM (
    SELECT
        s.id,
        s.user_id,
        s.clinic_id,
        s.role,
        s.granted_at
    FROM memberships AS s
    WHERE s.revoked_at IS NULL
        AND s.role <> 'patient'
        AND (@role::text = '' OR s.role = @role)
        AND (sqlc.narg(clinic_id)::uuid IS NULL OR s.clinic_id = sqlc.narg(clinic_id))
        AND (sqlc.narg(user_id)::uuid IS NULL OR s.user_id = sqlc.narg(user_id))
        AND (s.user_id, s.id) > (@after_user::uuid, @after::uuid)
    ORDER BY s.user_id, s.id
    LIMIT @row_limit
) AS m
JOIN users AS u ON u.id = m.user_id
ORDER BY m.user_id, m.id;

-- Reports whether an active, living person holds the role at the clinic.
-- name: MembershipActive :one
SELECT EXISTS (
    SELECT 1
    FROM memberships AS m
    JOIN users AS u ON u.id = m.user_id
    WHERE m.user_id = @user_id
        AND m.clinic_id = @clinic_id::uuid
        AND m.role = @role
        AND m.revoked_at IS NULL
        AND u.status = 'active'
        AND u.deceased_on IS NULL
);

-- Reports whether both people have the required roles, and whether the member is new to the team.
-- name: CareTeamInsert :one
WITH checked AS (
    SELECT EXISTS (
        SELECT 1
        FROM memberships AS m
        WHERE m.user_id = @patient_id::uuid
            AND m.clinic_id = @clinic_id::uuid
            AND m.role = 'patient'
            AND m.revoked_at IS NULL
    ) AND EXISTS (
        SELECT 1
        FROM memberships AS m
        WHERE m.user_id = @member_id::uuid
            AND m.clinic_id = @clinic_id::uuid
            AND m.role IN ('doctor', 'nurse')
            AND m.revoked_at IS NULL
    ) AS good
), inserted AS (
    INSERT INTO care_team (patient_id, clinic_id, member_id)
    SELECT
        @patient_id::uuid,
        @clinic_id::uuid,
        @member_id::uuid
    FROM checked
    WHERE good
    ON CONFLICT ON CONSTRAINT care_team_pkey DO NOTHING
    RETURNING member_id
)
SELECT
    good::boolean AS good,
    EXISTS (SELECT 1 FROM inserted)::boolean AS joined
FROM checked;

-- name: CareTeamDelete :execrows
DELETE FROM care_team
WHERE patient_id = @patient_id
    AND clinic_id = @clinic_id
    AND member_id = @member_id;

-- Returns the patient's care teams at the clinics, with the members' current roles there.
-- name: CareTeamList :many
SELECT
    t.clinic_id,
    t.member_id,
    t.since,
    u.given_name,
    u.family_name,
    array_agg(m.role ORDER BY m.role)::text[] AS roles
FROM care_team AS t
JOIN users AS u ON u.id = t.member_id
JOIN memberships AS m ON m.user_id = t.member_id AND m.clinic_id = t.clinic_id
WHERE t.patient_id = @patient_id
    AND (sqlc.narg(clinic_ids)::uuid[] IS NULL OR t.clinic_id = ANY(sqlc.narg(clinic_ids)::uuid[]))
    AND m.role IN ('doctor', 'nurse')
    AND m.revoked_at IS NULL
GROUP BY t.clinic_id, t.member_id, t.since, u.given_name, u.family_name
ORDER BY t.clinic_id, t.since, t.member_id;

-- Removes a person without a caring role at the clinic from its care teams: a role granted again
-- later must not restore access to the former patients.
-- name: CareTeamLeave :many
DELETE FROM care_team AS t
WHERE t.member_id = @member_id
    AND t.clinic_id = @clinic_id
    AND NOT EXISTS (
        SELECT 1
        FROM memberships AS m
        WHERE m.user_id = t.member_id
            AND m.clinic_id = t.clinic_id
            AND m.role IN ('doctor', 'nurse')
            AND m.revoked_at IS NULL
    )
RETURNING patient_id;

-- Returns the clinics where the member is on the patient's care team and still holds a role that
-- permits it.
-- name: CareTeamClinics :many
SELECT t.clinic_id
FROM care_team AS t
WHERE t.member_id = @member_id
    AND t.patient_id = @patient_id
    AND EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = t.member_id
            AND m.clinic_id = t.clinic_id
            AND m.role = ANY(@roles::text[])
            AND m.revoked_at IS NULL
            AND u.status = 'active'
    )
ORDER BY t.clinic_id;

-- Returns those of the clinics where the person is a patient.
-- name: PatientClinics :many
SELECT m.clinic_id::uuid AS clinic_id
FROM memberships AS m
WHERE m.user_id = @patient_id
    AND m.clinic_id = ANY(@clinic_ids::uuid[])
    AND m.role = 'patient'
    AND m.revoked_at IS NULL
ORDER BY m.clinic_id;
