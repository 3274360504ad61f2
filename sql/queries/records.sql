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

-- Lists return only what the actor may see: their own from the first released version on and while
-- they are not held, where filters on content do not match records entered in error; those of
-- patients whose care team they are on, at the clinics where they hold a role that lets care teams
-- read (team_clinics); those with them as the doctor, at the clinics where they still are one
-- (doctor_clinics); those with a first version by them, where their role lets an author read
-- (author_clinics; actor_text is the actor's id as stored in records). There are several queries
-- rather than one with optional filters, so that each reads along an index, at most 1,000 rows of it,
-- as the lists of deliveries do: the row at which it stopped is returned as last_read, also if it does
-- not match. Those with the same filters take the same parameters. A page begins after (before_time,
-- before_id). They run with PlanForAnyValues.
-- name: RecordListOfPatient :many
SELECT
    sqlc.embed(r),
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.id,
        examined.effective_at,
        examined.matches,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            r.id,
            r.effective_at,
            (
                (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
                AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
                AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
                AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
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
                        OFFSET 0
                    ))
                )
            )::boolean AS matches,
            row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
        FROM records AS r
        WHERE r.kind = @kind
            AND r.patient_id = sqlc.narg('patient_id')::uuid
            AND r.effective_at >= @from_time
            AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY r.effective_at DESC, r.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.effective_at DESC, examined.id DESC
    LIMIT @row_limit
) AS page
JOIN records AS r ON r.id = page.id
ORDER BY page.effective_at DESC, page.id DESC;

-- name: RecordListOfDoctor :many
SELECT
    sqlc.embed(r),
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.id,
        examined.effective_at,
        examined.matches,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            r.id,
            r.effective_at,
            (
                (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
                AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
                AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
                AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
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
                        OFFSET 0
                    ))
                )
            )::boolean AS matches,
            row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
        FROM records AS r
        WHERE r.kind = @kind
            AND r.doctor_id = sqlc.narg('doctor_id')::uuid
            AND r.effective_at >= @from_time
            AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY r.effective_at DESC, r.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.effective_at DESC, examined.id DESC
    LIMIT @row_limit
) AS page
JOIN records AS r ON r.id = page.id
ORDER BY page.effective_at DESC, page.id DESC;

-- name: RecordListOfAuthor :many
SELECT
    sqlc.embed(r),
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.id,
        examined.effective_at,
        examined.matches,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            r.id,
            r.effective_at,
            (
                (sqlc.narg('patient_id')::uuid IS NULL OR r.patient_id = sqlc.narg('patient_id'))
                AND (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                AND (sqlc.narg('doctor_id')::uuid IS NULL OR r.doctor_id = sqlc.narg('doctor_id'))
                AND (sqlc.narg('author_id')::text IS NULL OR r.created_by = sqlc.narg('author_id'))
                AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
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
                        OFFSET 0
                    ))
                )
            )::boolean AS matches,
            row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
        FROM records AS r
        WHERE r.kind = @kind
            AND r.created_by = sqlc.narg('author_id')::text
            AND r.effective_at >= @from_time
            AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY r.effective_at DESC, r.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.effective_at DESC, examined.id DESC
    LIMIT @row_limit
) AS page
JOIN records AS r ON r.id = page.id
ORDER BY page.effective_at DESC, page.id DESC;

-- Without a patient, doctor or author there are two ways. This one is for the members of many care
-- teams: it reads their own records, and those of their clinics in order, and checks each. Behind a row
-- that is the last one read of its index, the list is incomplete.
-- name: RecordListOfClinics :many
SELECT
    sqlc.embed(r),
    page.matches,
    page.last_read
FROM (
    SELECT
        found.id,
        found.effective_at,
        bool_or(found.matches)::boolean AS matches,
        bool_or(found.last_read)::boolean AS last_read
    FROM (
        (
            SELECT
                examined.id,
                examined.effective_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    r.id,
                    r.effective_at,
                    (
                        (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                        AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                        AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                        AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                        AND @own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
                            r.status <> 'entered-in-error'
                            OR num_nonnulls(sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
                        )
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
                FROM records AS r
                WHERE r.kind = @kind
                    AND @own::boolean
                    AND r.patient_id = @actor_id
                    AND r.effective_at >= @from_time
                    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
                ORDER BY r.effective_at DESC, r.id DESC
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.effective_at DESC, examined.id DESC
            LIMIT @row_limit
        )
        UNION ALL
        SELECT theirs.*
        FROM (SELECT DISTINCT unnest(@doctor_clinics::uuid[] || @author_clinics::uuid[] || @team_clinics::uuid[]) AS id) AS c
        CROSS JOIN LATERAL (
            SELECT
                examined.id,
                examined.effective_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    r.id,
                    r.effective_at,
                    (
                        (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                        AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                        AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                        AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                        AND (
                            (r.doctor_id = @actor_id AND r.clinic_id = ANY(@doctor_clinics::uuid[]))
                            OR (r.created_by = @actor_text AND r.clinic_id = ANY(@author_clinics::uuid[]))
                            OR (r.clinic_id = ANY(@team_clinics::uuid[]) AND EXISTS (
                                SELECT 1
                                FROM care_team AS t
                                WHERE t.patient_id = r.patient_id
                                    AND t.clinic_id = r.clinic_id
                                    AND t.member_id = @actor_id
                                OFFSET 0
                            ))
                        )
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
                FROM records AS r
                WHERE r.kind = @kind
                    AND r.clinic_id = c.id
                    AND r.effective_at >= @from_time
                    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
                ORDER BY r.effective_at DESC, r.id DESC
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.effective_at DESC, examined.id DESC
            LIMIT @row_limit
        ) AS theirs
    ) AS found
    GROUP BY found.effective_at, found.id
    ORDER BY found.effective_at DESC, found.id DESC
    LIMIT @row_limit
) AS page
JOIN records AS r ON r.id = page.id
ORDER BY page.effective_at DESC, page.id DESC;

-- This one is for others: it reads their own records, those with them as the doctor or the author, and
-- those of their patients. Of the patients it reads max_patients, those with the newest records, and of
-- each max_records, but none older than the newest of the last patient: before that, another one may
-- have records. A page has no more patients than rows, and no more rows of one.
-- name: RecordListOfTeams :many
WITH newest AS MATERIALIZED (
    SELECT
        t.patient_id,
        t.clinic_id,
        n.effective_at,
        row_number() OVER (ORDER BY n.effective_at DESC, n.id DESC) AS number
    FROM care_team AS t
    CROSS JOIN LATERAL (
        SELECT
            r.effective_at,
            r.id
        FROM records AS r
        WHERE r.patient_id = t.patient_id
            AND r.kind = @kind
            AND r.clinic_id = t.clinic_id
            AND r.effective_at >= @from_time
            AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY r.effective_at DESC, r.id DESC
        LIMIT 1
    ) AS n
    WHERE t.member_id = @actor_id
        AND t.clinic_id = ANY(@team_clinics::uuid[])
    ORDER BY n.effective_at DESC, n.id DESC
    LIMIT @max_patients::integer
)
SELECT
    sqlc.embed(r),
    page.matches,
    page.last_read
FROM (
    SELECT
        found.id,
        found.effective_at,
        bool_or(found.matches)::boolean AS matches,
        bool_or(found.last_read)::boolean AS last_read
    FROM (
        (
            SELECT
                examined.id,
                examined.effective_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    r.id,
                    r.effective_at,
                    (
                        (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                        AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                        AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                        AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                        AND @own::boolean AND r.patient_id = @actor_id AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (
                            r.status <> 'entered-in-error'
                            OR num_nonnulls(sqlc.narg('code_system')::text, sqlc.narg('code')::text) = 0
                        )
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
                FROM records AS r
                WHERE r.kind = @kind
                    AND @own::boolean
                    AND r.patient_id = @actor_id
                    AND r.effective_at >= @from_time
                    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
                ORDER BY r.effective_at DESC, r.id DESC
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.effective_at DESC, examined.id DESC
            LIMIT @row_limit
        )
        UNION ALL
        (
            SELECT
                examined.id,
                examined.effective_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    r.id,
                    r.effective_at,
                    (
                        (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                        AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                        AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                        AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
                FROM records AS r
                WHERE r.kind = @kind
                    AND r.doctor_id = @actor_id
                    AND r.clinic_id = ANY(@doctor_clinics::uuid[])
                    AND r.effective_at >= @from_time
                    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
                ORDER BY r.effective_at DESC, r.id DESC
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.effective_at DESC, examined.id DESC
            LIMIT @row_limit
        )
        UNION ALL
        (
            SELECT
                examined.id,
                examined.effective_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    r.id,
                    r.effective_at,
                    (
                        (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                        AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                        AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                        AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
                FROM records AS r
                WHERE r.kind = @kind
                    AND r.created_by = @actor_text
                    AND r.clinic_id = ANY(@author_clinics::uuid[])
                    AND r.effective_at >= @from_time
                    AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
                ORDER BY r.effective_at DESC, r.id DESC
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.effective_at DESC, examined.id DESC
            LIMIT @row_limit
        )
        UNION ALL
        SELECT
            theirs.id,
            theirs.effective_at,
            theirs.matches,
            (theirs.number = @max_records::integer OR (p.number = @max_patients::integer AND theirs.number = 1))::boolean AS last_read
        FROM newest AS p
        CROSS JOIN LATERAL (
            SELECT
                r.id,
                r.effective_at,
                (
                    (sqlc.narg('clinic_id')::uuid IS NULL OR r.clinic_id = sqlc.narg('clinic_id'))
                    AND (sqlc.narg('status')::text IS NULL OR r.status = sqlc.narg('status'))
                    AND (sqlc.narg('code_system')::text IS NULL OR r.code_system = sqlc.narg('code_system'))
                    AND (sqlc.narg('code')::text IS NULL OR r.code = sqlc.narg('code'))
                )::boolean AS matches,
                row_number() OVER (ORDER BY r.effective_at DESC, r.id DESC) AS number
            FROM records AS r
            WHERE r.patient_id = p.patient_id
                AND r.kind = @kind
                AND r.clinic_id = p.clinic_id
                AND r.effective_at >= greatest(@from_time, (SELECT l.effective_at FROM newest AS l WHERE l.number = @max_patients::integer))
                AND (r.effective_at, r.id) < (@before_time::timestamptz, @before_id::uuid)
            ORDER BY r.effective_at DESC, r.id DESC
            LIMIT @max_records
        ) AS theirs
    ) AS found
    WHERE found.matches
        OR found.last_read
    GROUP BY found.effective_at, found.id
    ORDER BY found.effective_at DESC, found.id DESC
    LIMIT @row_limit
) AS page
JOIN records AS r ON r.id = page.id
ORDER BY page.effective_at DESC, page.id DESC;

-- Counts the patients whose care teams the actor is on, at most 1,001.
-- name: RecordPatientCount :one
SELECT count(*)
FROM (
    SELECT 1
    FROM care_team AS t
    WHERE t.member_id = @actor_id
        AND t.clinic_id = ANY(@team_clinics::uuid[])
    LIMIT 1001
) AS counted;

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
