-- Data imported from other systems, and the bulk writes of imports. Arrays of these types cannot
-- contain NULL, so the zero value represents it.

-- name: ImportIdentifierList :many
SELECT i.*
FROM import_identifiers AS i
JOIN (
    SELECT
        unnest(@types::text[]) AS resource_type,
        unnest(@ids::text[]) AS resource_id
) AS asked USING (resource_type, resource_id)
WHERE i.source = @source;

-- Omits a resource that a concurrent import has just stored under another id.
-- name: ImportIdentifierUpsertMany :execrows
INSERT INTO import_identifiers (source, resource_type, resource_id, kind, domain_id, hash, clinic_id, person_id, doctor_id)
SELECT
    @source::text,
    unnest(@types::text[]),
    unnest(@ids::text[]),
    unnest(@kinds::text[]),
    unnest(@domain_ids::uuid[]),
    unnest(@hashes::bytea[]),
    nullif(unnest(@clinic_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    nullif(unnest(@person_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    nullif(unnest(@doctor_ids::uuid[]), '00000000-0000-0000-0000-000000000000')
ON CONFLICT ON CONSTRAINT import_identifiers_pkey DO UPDATE
SET
    kind = CASE WHEN import_identifiers.kind = 'staff' AND excluded.kind = 'user' THEN 'staff' ELSE excluded.kind END,
    hash = excluded.hash,
    clinic_id = coalesce(excluded.clinic_id, import_identifiers.clinic_id),
    person_id = coalesce(excluded.person_id, import_identifiers.person_id),
    doctor_id = coalesce(excluded.doctor_id, import_identifiers.doctor_id),
    updated_at = now()
WHERE import_identifiers.domain_id = excluded.domain_id;

-- Returns where and by whom a patient was first seen, the default for resources without a clinic or
-- doctor.
-- name: ImportPatientSeen :exec
UPDATE import_identifiers AS i
SET
    seen_clinic_id = coalesce(i.seen_clinic_id, seen.clinic_id),
    seen_doctor_id = coalesce(i.seen_doctor_id, seen.doctor_id)
FROM (
    SELECT DISTINCT ON (s.resource_id)
        s.resource_id,
        s.clinic_id,
        nullif(s.doctor_id, '00000000-0000-0000-0000-000000000000') AS doctor_id
    FROM (
        SELECT
            unnest(@ids::text[]) AS resource_id,
            unnest(@clinic_ids::uuid[]) AS clinic_id,
            unnest(@doctor_ids::uuid[]) AS doctor_id
    ) AS s
    ORDER BY
        s.resource_id,
        s.doctor_id = '00000000-0000-0000-0000-000000000000'
) AS seen
WHERE i.source = @source
    AND i.resource_type = 'Patient'
    AND i.resource_id = seen.resource_id
    AND (i.seen_clinic_id IS NULL OR (i.seen_doctor_id IS NULL AND seen.doctor_id IS NOT NULL));

-- Makes the Practitioners with these ids staff if none of their roles was ever a doctor's: they are
-- not responsible for records.
-- name: ImportStaffMark :exec
UPDATE import_identifiers AS i
SET kind = CASE WHEN EXISTS (
        SELECT 1
        FROM memberships AS m
        WHERE m.user_id = i.domain_id
            AND m.role = 'doctor'
    ) THEN 'user' ELSE 'staff' END
WHERE i.source = @source
    AND i.resource_type = 'Practitioner'
    AND i.domain_id = ANY (@person_ids::uuid[])
    AND i.kind IN ('user', 'staff');

-- Returns when the appointments start.
-- name: AppointmentStartList :many
SELECT
    id,
    starts_at
FROM appointments
WHERE id = ANY (@ids::uuid[]);

-- name: ImportSourceBase :one
SELECT base_url
FROM import_sources
WHERE source = @source;

-- The first address stays.
-- name: ImportSourceInsert :exec
INSERT INTO import_sources (source, base_url)
VALUES (@source, @base_url)
ON CONFLICT DO NOTHING;

-- Returns each resource that has one of the aliases: an alias of several resources is ambiguous.
-- name: ImportAliasList :many
SELECT a.*
FROM import_resource_aliases AS a
JOIN (
    SELECT
        unnest(@types::text[]) AS resource_type,
        unnest(@aliases::text[]) AS alias
) AS asked USING (resource_type, alias)
WHERE a.source = @source;

-- name: ImportAliasInsertMany :exec
INSERT INTO import_resource_aliases (source, resource_type, alias, resource_id)
SELECT
    @source::text,
    unnest(@types::text[]),
    unnest(@aliases::text[]),
    unnest(@ids::text[])
ON CONFLICT DO NOTHING;

-- Deletes the identifiers that resources no longer have. Aliases without a bar are the names that
-- bundles have for them.
-- name: ImportAliasDeleteMany :exec
DELETE FROM import_resource_aliases AS a
USING (
    SELECT
        unnest(@owner_types::text[]) AS resource_type,
        unnest(@owner_ids::text[]) AS resource_id
) AS owner
WHERE a.source = @source
    AND a.resource_type = owner.resource_type
    AND a.resource_id = owner.resource_id
    AND a.alias LIKE '%|%'
    AND NOT EXISTS (
        SELECT 1
        FROM (
            SELECT
                unnest(@types::text[]) AS resource_type,
                unnest(@ids::text[]) AS resource_id,
                unnest(@aliases::text[]) AS alias
        ) AS kept
        WHERE kept.resource_type = a.resource_type
            AND kept.resource_id = a.resource_id
            AND kept.alias = a.alias
    );

-- name: ImportPartPut :exec
INSERT INTO import_parts (source, resource_type, resource_id, body, used)
SELECT
    @source::text,
    unnest(@types::text[]),
    unnest(@ids::text[]),
    unnest(@bodies::json[]),
    false
ON CONFLICT ON CONSTRAINT import_parts_pkey DO UPDATE
SET body = excluded.body;

-- name: ImportPartUse :exec
INSERT INTO import_parts (source, resource_type, resource_id, used)
SELECT
    @source::text,
    unnest(@types::text[]),
    unnest(@ids::text[]),
    true
ON CONFLICT ON CONSTRAINT import_parts_pkey DO UPDATE
SET used = true;

-- name: ImportPartList :many
SELECT
    p.resource_type,
    p.resource_id,
    coalesce(p.body, 'null')::json AS body,
    p.used
FROM import_parts AS p
JOIN (
    SELECT
        unnest(@types::text[]) AS resource_type,
        unnest(@ids::text[]) AS resource_id
) AS asked USING (resource_type, resource_id)
WHERE p.source = @source;

-- name: ImportPartDelete :exec
DELETE FROM import_parts
WHERE source = @source;

-- name: ClinicGet :one
SELECT *
FROM clinics
WHERE id = @id;

-- name: ClinicUpsertMany :exec
INSERT INTO clinics (id, name, time_zone)
SELECT
    unnest(@ids::uuid[]),
    unnest(@names::text[]),
    unnest(@time_zones::text[])
ON CONFLICT ON CONSTRAINT clinics_pkey DO UPDATE
SET name = excluded.name;

-- name: UserEmailTaken :many
SELECT
    id,
    email::text AS email
FROM users
WHERE email = ANY(@emails::text[]);

-- name: UserInsertMany :exec
INSERT INTO users (id, email, given_name, family_name, phone, locale, time_zone, birth_date, sex, status, deceased_on)
SELECT
    unnest(@ids::uuid[]),
    nullif(unnest(@emails::text[]), ''),
    unnest(@given_names::text[]),
    unnest(@family_names::text[]),
    nullif(unnest(@phones::text[]), ''),
    unnest(@locales::text[]),
    unnest(@time_zones::text[]),
    nullif(unnest(@birth_dates::text[]), '')::date,
    nullif(unnest(@sexes::text[]), ''),
    unnest(@statuses::text[]),
    nullif(unnest(@deceased_ons::text[]), '')::date;

-- Stores the deaths of people whose death was never recorded at a clinic, and returns whose.
-- name: DeathInsertMany :many
INSERT INTO deaths (id, user_id, clinic_id, deceased_on, recorded_by)
SELECT
    d.id,
    d.user_id,
    d.clinic_id,
    u.deceased_on,
    @recorded_by::text
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@user_ids::uuid[]) AS user_id,
        unnest(@clinic_ids::uuid[]) AS clinic_id
) AS d
JOIN users AS u ON u.id = d.user_id
WHERE u.deceased_on IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM deaths AS o WHERE o.user_id = d.user_id)
RETURNING user_id;

-- Reports whether a death of the person was ever recorded, also one that was withdrawn.
-- name: DeathEverRecorded :one
SELECT EXISTS (SELECT 1 FROM deaths AS d WHERE d.user_id = @user_id);

-- A role that a person holds, or held and that was revoked here, is left unchanged and not
-- returned. A former role is revoked from the start.
-- name: MembershipGrantMany :many
INSERT INTO memberships (id, user_id, clinic_id, role, revoked_at)
SELECT
    g.id,
    g.user_id,
    g.clinic_id,
    g.role,
    CASE WHEN g.former THEN now() END
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@user_ids::uuid[]) AS user_id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@roles::text[]) AS role,
        unnest(@formers::boolean[]) AS former
) AS g
WHERE NOT EXISTS (
    SELECT 1
    FROM memberships AS m
    WHERE m.user_id = g.user_id
        AND m.clinic_id = g.clinic_id
        AND m.role = g.role
)
ON CONFLICT DO NOTHING
RETURNING *;

-- Returns the clinics where the person is an active doctor.
-- name: DoctorClinics :many
SELECT m.clinic_id::uuid AS clinic_id
FROM memberships AS m
JOIN users AS u ON u.id = m.user_id
WHERE m.user_id = @user_id
    AND m.role = 'doctor'
    AND m.revoked_at IS NULL
    AND u.status = 'active'
    AND u.deceased_on IS NULL;

-- Stores the stand-in doctors of clinics, named after the clinic and without an account, and
-- returns the new ones.
-- name: StandInInsertMany :many
INSERT INTO users (id, given_name, family_name, locale, time_zone, status)
SELECT
    s.id,
    @given_name::text,
    left(c.name, 200),
    'en',
    c.time_zone,
    'disabled'
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@clinic_ids::uuid[]) AS clinic_id
) AS s
JOIN clinics AS c ON c.id = s.clinic_id
ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING
RETURNING id;

-- Inserts first versions of one kind's records. A record is omitted, and its id not returned, if
-- its patient or doctor never had the required role: records are history, and a doctor may have
-- left the clinic since.
-- name: RecordInsertMany :many
INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at,
    body, created_at, created_by, updated_at, updated_by, released_version)
SELECT
    r.id,
    @kind::text,
    1,
    r.status,
    r.patient_id,
    r.clinic_id,
    r.doctor_id,
    r.code_system,
    r.code,
    CASE
        WHEN r.partial THEN (r.effective_at AT TIME ZONE 'UTC') AT TIME ZONE (
            SELECT c.time_zone
            FROM clinics AS c
            WHERE c.id = r.clinic_id
        )
        ELSE r.effective_at
    END,
    r.body,
    now(),
    @created_by::text,
    now(),
    @created_by::text,
    CASE WHEN r.releases THEN 1 END
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@statuses::text[]) AS status,
        unnest(@patient_ids::uuid[]) AS patient_id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@doctor_ids::uuid[]) AS doctor_id,
        unnest(@code_systems::text[]) AS code_system,
        unnest(@codes::text[]) AS code,
        unnest(@effective_ats::timestamptz[]) AS effective_at,
        unnest(@partials::boolean[]) AS partial,
        unnest(@bodies::json[]) AS body,
        unnest(@releases::boolean[]) AS releases
) AS r
WHERE (
        EXISTS (
            SELECT 1
            FROM memberships AS m
            WHERE m.user_id = r.patient_id
                AND m.clinic_id = r.clinic_id
                AND m.role = 'patient'
                AND m.revoked_at IS NULL
        )
        OR EXISTS (
            SELECT 1
            FROM memberships AS m
            JOIN users AS u ON u.id = m.user_id
            WHERE m.user_id = r.patient_id
                AND m.clinic_id = r.clinic_id
                AND m.role = 'patient'
                AND m.revoked_at IS NOT NULL
                AND u.merged_into IS NULL
        )
    )
    AND EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = r.doctor_id
            AND m.clinic_id = r.clinic_id
            AND m.role = 'doctor'
            AND u.merged_into IS NULL
    )
RETURNING id;

-- Like RecordInsertMany, but the people of an appointment that has not passed must have their roles
-- now.
-- name: AppointmentInsertMany :many
INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic,
    created_at, created_by, updated_at, updated_by)
SELECT
    a.id,
    1,
    a.clinic_id,
    a.patient_id,
    a.doctor_id,
    a.status,
    a.starts_at,
    a.ends_at,
    a.historic,
    now(),
    @created_by::text,
    now(),
    @created_by::text
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@patient_ids::uuid[]) AS patient_id,
        unnest(@doctor_ids::uuid[]) AS doctor_id,
        unnest(@statuses::text[]) AS status,
        unnest(@starts_ats::timestamptz[]) AS starts_at,
        unnest(@ends_ats::timestamptz[]) AS ends_at,
        unnest(@historics::boolean[]) AS historic
) AS a
WHERE EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = a.patient_id
            AND m.clinic_id = a.clinic_id
            AND m.role = 'patient'
            AND u.merged_into IS NULL
            AND (a.historic OR (m.revoked_at IS NULL AND u.status = 'active' AND u.deceased_on IS NULL))
    )
    AND EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = a.doctor_id
            AND m.clinic_id = a.clinic_id
            AND m.role = 'doctor'
            AND u.merged_into IS NULL
            AND (a.historic OR (m.revoked_at IS NULL AND u.status = 'active' AND u.deceased_on IS NULL))
    )
RETURNING *;

-- Like RecordInsertMany, for invoices with their original status: an invoice past its due date is
-- overdue from the start, so that nobody is notified of it as if it were new.
-- name: InvoiceInsertMany :many
INSERT INTO invoices (id, version, clinic_id, patient_id, number, currency, status, overdue, total_minor, paid_minor, due_on,
    issued_at, created_at, created_by, updated_at, updated_by)
SELECT
    i.id,
    1,
    i.clinic_id,
    i.patient_id,
    nullif(i.number, ''),
    i.currency,
    i.status,
    i.status = 'issued' AND i.due_on < current_date,
    i.total_minor,
    0,
    i.due_on,
    CASE WHEN i.status <> 'draft' THEN i.issued_at END,
    now(),
    @created_by::text,
    now(),
    @created_by::text
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@patient_ids::uuid[]) AS patient_id,
        unnest(@numbers::text[]) AS number,
        unnest(@currencies::text[]) AS currency,
        unnest(@statuses::text[]) AS status,
        unnest(@totals_minor::bigint[]) AS total_minor,
        unnest(@due_ons::date[]) AS due_on,
        unnest(@issued_ats::timestamptz[]) AS issued_at
) AS i
WHERE EXISTS (
    SELECT 1
    FROM memberships AS m
    JOIN users AS u ON u.id = m.user_id
    WHERE m.user_id = i.patient_id
        AND m.clinic_id = i.clinic_id
        AND m.role = 'patient'
        AND u.merged_into IS NULL
)
RETURNING *;

-- The row is locked by InvoiceLock. A draft that is issued now was issued elsewhere.
-- name: InvoiceImportStatus :one
UPDATE invoices
SET
    version = version + 1,
    status = @status::text,
    overdue = @status::text = 'issued' AND due_on < current_date,
    issued_at = CASE WHEN @status::text <> 'draft' THEN coalesce(issued_at, now()) END,
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;
