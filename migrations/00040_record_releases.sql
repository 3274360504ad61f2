-- A patient reads a record from its first released version on, and from then on its content changes by amendment only. Which
-- statuses release is the kinds' to say (internal/clinic/ehr); the lists below are theirs as of this migration.
-- +carewire allow validate records: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE records ADD COLUMN released_version bigint;

UPDATE records AS r
SET released_version = (
    SELECT min(v.version)
    FROM (
        SELECT
            old.version,
            old.status
        FROM record_versions AS old
        WHERE old.record_id = r.id
        UNION ALL
        SELECT
            r.version,
            r.status
    ) AS v
    WHERE v.status <> 'entered-in-error'
        AND CASE
            WHEN r.kind IN ('lab_report', 'imaging_report') THEN v.status IN ('final', 'amended', 'corrected', 'appended')
            WHEN r.kind = 'vital_signs' THEN v.status IN ('final', 'amended', 'corrected')
            WHEN r.kind = 'clinical_note' THEN v.status IN ('final', 'amended')
            WHEN r.kind = 'prescription' THEN v.status IN ('active', 'on-hold', 'completed', 'stopped')
            WHEN r.kind = 'procedure' THEN v.status IN ('not-done', 'stopped', 'completed')
            ELSE true
        END
);

ALTER TABLE records ADD CONSTRAINT records_released_version_positive CHECK (released_version > 0) NOT VALID;
ALTER TABLE records VALIDATE CONSTRAINT records_released_version_positive;
