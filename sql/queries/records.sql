-- Clinical records of every kind.

-- Checks and writes in one statement, the first of a batch: unless the patient and the doctor have
-- the required roles and the actor has access, refuse() aborts it with the names of the failed
-- checks, and nothing of the batch is written. any_patient is true for an actor who may write for
-- patients outside of their care teams, own_doctor for one who is the doctor, as known from the
-- actor's memberships. limits_version is the version of the clinic's critical limits used to
-- evaluate the body, negative for a kind without limits. holds is true for a record that its
-- patient may not read before a clinician's review.
-- name: RecordInsert :batchone
INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at,
    body, created_at, created_by, updated_at, updated_by, released_version, held_until)
SELECT
    @id,
    @kind,
    1,
    @status,
    @patient_id,
    @clinic_id,
    @doctor_id,
    @code_system,
    @code,
    CASE
        WHEN @partial::boolean THEN timezone((
            SELECT c.time_zone
            FROM clinics AS c
            WHERE c.id = @clinic_id
        ), timezone('UTC', @effective_at::timestamptz))
        ELSE @effective_at::timestamptz
    END,
    @body,
    now(),
    @created_by,
    now(),
    @created_by,
    CASE WHEN @releases::boolean THEN 1 END,
    CASE WHEN @holds::boolean THEN critical_hold_until(@clinic_id) END
WHERE record_parties_hold(@patient_id, @clinic_id, @doctor_id, @own_doctor, @any_patient, @actor_id, @limits_version)
RETURNING
    created_at,
    held_until;

-- Runs only the checks of RecordInsert, for an actor who may not write the record anyway.
-- name: RecordPartiesHold :one
SELECT record_parties_hold(@patient_id::uuid, @clinic_id::uuid, @doctor_id::uuid, false, @any_patient::boolean, @actor_id::uuid);

-- name: RecordGet :one
SELECT
    sqlc.embed(r),
    EXISTS (
        SELECT 1
        FROM care_team AS t
        WHERE t.patient_id = r.patient_id
            AND t.clinic_id = r.clinic_id
            AND t.member_id = @actor_id
    ) AS on_care_team
FROM records AS r
WHERE r.id = @id
    AND r.kind = @kind;

-- released_by is the author of the version that released the record, if one did; limits_version,
-- for a kind with measurements, is that of the clinic's critical limits.
-- name: RecordLock :one
SELECT
    sqlc.embed(r),
    EXISTS (
        SELECT 1
        FROM care_team AS t
        WHERE t.patient_id = r.patient_id
            AND t.clinic_id = r.clinic_id
            AND t.member_id = @actor_id
    ) AS on_care_team,
    coalesce((
        SELECT v.updated_by
        FROM record_versions AS v
        WHERE v.record_id = r.id
            AND v.version = r.released_version
    ), r.updated_by)::text AS released_by,
    CASE WHEN @measures::boolean THEN coalesce((
        SELECT s.version
        FROM critical_limit_sets AS s
        WHERE s.clinic_id = r.clinic_id
    ), 0) ELSE 0 END::bigint AS limits_version
FROM records AS r
WHERE r.id = @id
    AND r.kind = @kind
FOR UPDATE OF r;

-- Moves the current version to record_versions and replaces it with the new one. The row is locked
-- by RecordLock. holds is true for a version that its patient may not read before a clinician's
-- review: the clinic's period begins. It begins again with the version that releases a held record
-- that nobody has reviewed.
-- name: RecordReplace :one
WITH kept AS (
    INSERT INTO record_versions (record_id, version, status, doctor_id, code_system, code, effective_at, body, updated_at, updated_by,
        reason)
    SELECT
        records.id,
        records.version,
        records.status,
        records.doctor_id,
        records.code_system,
        records.code,
        records.effective_at,
        records.body,
        records.updated_at,
        records.updated_by,
        records.reason
    FROM records
    WHERE records.id = @id
)
UPDATE records
SET
    version = version + 1,
    status = @status,
    doctor_id = @doctor_id,
    code_system = @code_system,
    code = @code,
    effective_at = CASE
        WHEN @partial::boolean THEN timezone((
            SELECT c.time_zone
            FROM clinics AS c
            WHERE c.id = records.clinic_id
        ), timezone('UTC', @effective_at::timestamptz))
        ELSE @effective_at::timestamptz
    END,
    body = @body,
    updated_at = now(),
    updated_by = @updated_by,
    reason = @reason,
    released_version = coalesce(released_version, CASE WHEN @releases::boolean THEN version + 1 END),
    held_until = CASE
        WHEN @holds::boolean OR (records.held_until IS NOT NULL AND released_version IS NULL AND @releases::boolean)
            THEN critical_hold_until(records.clinic_id)
        ELSE records.held_until
    END
WHERE records.id = @id
RETURNING
    records.version,
    records.updated_at,
    records.released_version,
    records.held_until;

-- Ends the hold of the version that was read, once: no row if there is none.
-- name: RecordReview :one
UPDATE records
SET held_until = NULL
WHERE id = @id
    AND version = @version
    AND held_until IS NOT NULL
RETURNING id;

-- name: RecordVersionList :many
SELECT
    version,
    body,
    updated_at,
    updated_by,
    reason
FROM record_versions
WHERE record_id = @record_id
    AND version < @before
    AND version >= @first
ORDER BY version DESC
LIMIT @row_limit;

-- name: RecordVersionGet :one
SELECT
    version,
    body,
    updated_at,
    updated_by,
    reason
FROM record_versions
WHERE record_id = @record_id
    AND version = @version;

-- Applies to the rest of the transaction. A generic plan assumes that a page's range has few rows
-- and sorts them, which may be all of a clinic's; with known values an index is read in order until
-- the page is full.
-- name: RecordListPlanForValues :exec
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- Lists return only what the actor may see: their own from the first released version on and while
-- they are not held, where filters on content do not match records entered in error; those of
-- patients whose care team they are on, at the clinics where they hold a role that lets care teams
-- read (team_clinics); those with them as the doctor, at the clinics where they still are one
-- (doctor_clinics); those with a first version by them, where their role lets an author read
-- (author_clinics; actor_text is the actor's id as stored in records). There is one query for each
-- of these rather than one with optional filters, so that each can use its index, in order. They
-- take the same parameters. A page begins after (before_time, before_id).
-- name: RecordListOfPatient :many
SELECT *
FROM records AS r
WHERE r.kind = @kind
    AND r.patient_id = sqlc.narg('patient_id')::uuid
    AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
    AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
    AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
    AND r.effective_at >= @from_time
    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        (@own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
            r.status <> 'entered-in-error'
            OR num_nonnulls(sqlc.narg('doctor_id')::uuid, sqlc.narg('author_id')::text, sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
        ))
        OR (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
        OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        OR (r.clinic_id = ANY(@team_clinics::uuid[]) AND EXISTS (
            SELECT 1
            FROM care_team AS t
            WHERE t.patient_id = r.patient_id
                AND t.clinic_id = r.clinic_id
                AND t.member_id = @actor_id
        ))
    )
ORDER BY r.effective_at DESC, r.id DESC
LIMIT @row_limit;

-- name: RecordListOfDoctor :many
SELECT *
FROM records AS r
WHERE r.kind = @kind
    AND (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
    AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
    AND r.doctor_id = sqlc.narg('doctor_id')::uuid
    AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
    AND r.effective_at >= @from_time
    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        (@own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
            r.status <> 'entered-in-error'
            OR num_nonnulls(sqlc.narg('doctor_id')::uuid, sqlc.narg('author_id')::text, sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
        ))
        OR (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
        OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        OR (r.clinic_id = ANY(@team_clinics::uuid[]) AND EXISTS (
            SELECT 1
            FROM care_team AS t
            WHERE t.patient_id = r.patient_id
                AND t.clinic_id = r.clinic_id
                AND t.member_id = @actor_id
        ))
    )
ORDER BY r.effective_at DESC, r.id DESC
LIMIT @row_limit;

-- name: RecordListOfAuthor :many
SELECT *
FROM records AS r
WHERE r.kind = @kind
    AND (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
    AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
    AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
    AND r.created_by = sqlc.narg('author_id')::text
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
    AND r.effective_at >= @from_time
    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        (@own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
            r.status <> 'entered-in-error'
            OR num_nonnulls(sqlc.narg('doctor_id')::uuid, sqlc.narg('author_id')::text, sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
        ))
        OR (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
        OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        OR (r.clinic_id = ANY(@team_clinics::uuid[]) AND EXISTS (
            SELECT 1
            FROM care_team AS t
            WHERE t.patient_id = r.patient_id
                AND t.clinic_id = r.clinic_id
                AND t.member_id = @actor_id
        ))
    )
ORDER BY r.effective_at DESC, r.id DESC
LIMIT @row_limit;

-- name: RecordListOfClinic :many
SELECT *
FROM records AS r
WHERE r.kind = @kind
    AND (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
    AND r.clinic_id = sqlc.narg('clinic_id')::uuid
    AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
    AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
    AND r.effective_at >= @from_time
    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        (@own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
            r.status <> 'entered-in-error'
            OR num_nonnulls(sqlc.narg('doctor_id')::uuid, sqlc.narg('author_id')::text, sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
        ))
        OR (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
        OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        OR (r.clinic_id = ANY(@team_clinics::uuid[]) AND EXISTS (
            SELECT 1
            FROM care_team AS t
            WHERE t.patient_id = r.patient_id
                AND t.clinic_id = r.clinic_id
                AND t.member_id = @actor_id
        ))
    )
ORDER BY r.effective_at DESC, r.id DESC
LIMIT @row_limit;

-- The array of patients is computed once, so that each of the four sources uses an index.
-- name: RecordListVisible :many
SELECT *
FROM records AS r
WHERE r.kind = @kind
    AND (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
    AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
    AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
    AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
    AND r.effective_at >= @from_time
    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        (@own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
            r.status <> 'entered-in-error'
            OR num_nonnulls(sqlc.narg('doctor_id')::uuid, sqlc.narg('author_id')::text, sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
        ))
        OR (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
        OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        OR (
            r.patient_id = ANY(ARRAY(
                SELECT t.patient_id
                FROM care_team AS t
                WHERE t.member_id = @actor_id
                    AND t.clinic_id = ANY(@team_clinics::uuid[])
            ))
            AND r.clinic_id = ANY(@team_clinics::uuid[])
            AND EXISTS (
                SELECT 1
                FROM care_team AS t
                WHERE t.patient_id = r.patient_id
                    AND t.clinic_id = r.clinic_id
                    AND t.member_id = @actor_id
            )
        )
    )
ORDER BY r.effective_at DESC, r.id DESC
LIMIT @row_limit;

-- Reports whether the actor may list the patient's records if the list is empty: the doctor or
-- author of a record may, also if a filter excludes it.
-- name: RecordListable :one
SELECT (EXISTS (
    SELECT 1
    FROM care_team AS t
    WHERE t.patient_id = @patient_id
        AND t.member_id = @actor_id
        AND t.clinic_id = ANY(@team_clinics::uuid[])
        AND (@any_clinic::boolean OR t.clinic_id = @clinic_id)
) OR EXISTS (
    SELECT 1
    FROM records AS r
    WHERE r.patient_id = @patient_id
        AND r.kind = @kind
        AND (
            (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
            OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
        )
        AND (@any_clinic::boolean OR r.clinic_id = @clinic_id)
))::boolean AS listable;
