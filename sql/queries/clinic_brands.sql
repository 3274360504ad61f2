-- How each clinic's messages look.

-- Returns no row if the clinic has no brand.
-- name: ClinicBrandGet :one
SELECT *
FROM clinic_brands
WHERE clinic_id = @clinic_id;

-- name: ClinicBrandLock :one
SELECT *
FROM clinic_brands
WHERE clinic_id = @clinic_id
FOR UPDATE;

-- Of two concurrent first writes one violates clinic_brands_pkey.
-- name: ClinicBrandInsert :one
INSERT INTO clinic_brands (clinic_id, version, display_name, logo_url, color, reply_to, updated_at, updated_by)
VALUES (@clinic_id, 1, @display_name, @logo_url, @color, @reply_to, now(), @updated_by)
RETURNING *;

-- The row is locked by ClinicBrandLock.
-- name: ClinicBrandUpdate :one
UPDATE clinic_brands
SET
    version = version + 1,
    display_name = @display_name,
    logo_url = @logo_url,
    color = @color,
    reply_to = @reply_to,
    updated_at = now(),
    updated_by = @updated_by
WHERE clinic_id = @clinic_id
RETURNING *;
