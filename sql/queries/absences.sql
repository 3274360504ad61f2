-- Leave, closing days and one-off hours.

-- name: AbsenceInsert :one
INSERT INTO absences (id, clinic_id, doctor_id, kind, starts_at, ends_at, note, created_at, created_by)
VALUES (@id, @clinic_id, sqlc.narg(doctor_id), @kind, @starts_at, @ends_at, @note, now(), @created_by)
RETURNING *;

-- name: AbsenceGet :one
SELECT *
FROM absences
WHERE id = @id
    AND clinic_id = @clinic_id;

-- name: AbsenceDelete :execrows
DELETE FROM absences
WHERE id = @id
    AND clinic_id = @clinic_id;

-- Returns the clinic's absences that overlap [from_time, to_time), ordered by start, after
-- (after_time, after_id). With a doctor: the doctor's and those of the whole clinic.
-- name: AbsenceList :many
SELECT *
FROM absences AS b
WHERE b.clinic_id = @clinic_id
    AND (@any_doctor::boolean OR b.doctor_id IS NULL OR b.doctor_id = @doctor_id::uuid)
    AND b.ends_at > @from_time::timestamptz
    AND b.starts_at < @to_time::timestamptz
    AND (b.starts_at, b.id) > (@after_time::timestamptz, @after_id::uuid)
ORDER BY b.starts_at, b.id
LIMIT @row_limit;

-- Counts the future open appointments that the absence affects; appointment_attention lists them.
-- name: AbsenceAffected :one
SELECT count(*)
FROM absences AS b
JOIN appointments AS a ON a.clinic_id = b.clinic_id
WHERE b.id = @id
    AND b.kind <> 'opening'
    AND (b.doctor_id IS NULL OR a.doctor_id = b.doctor_id)
    AND a.status IN ('requested', 'booked', 'confirmed')
    AND a.ends_at > now()
    AND a.ends_at > b.starts_at
    AND a.starts_at < b.ends_at
    AND a.starts_at > greatest(now(), b.starts_at) - interval '1 day';
