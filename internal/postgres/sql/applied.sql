-- The numbered migrations that ran; 0 is goose's own.
SELECT DISTINCT version_id
FROM public.goose_db_version
WHERE is_applied
    AND version_id > 0
ORDER BY version_id
