-- The highest numbered migration that ran, 0 when none did.
SELECT coalesce(max(version_id), 0)
FROM goose_db_version
WHERE is_applied
