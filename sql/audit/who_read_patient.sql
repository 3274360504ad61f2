-- Reads of one person's data, newest first: the accounting that a patient may request (45 CFR
-- 164.528).
--
-- Run as the auditor, with the person's id and the first and last day of the period:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v patient=00000000-0000-0000-0000-000000000000 -v from=2026-01-01 -v until=2026-12-31 -f who_read_patient.sql
--
-- The ledger has no index by person: the query scans all reads of the period, which can be slow.
SELECT
    r.time,
    r.actor_id AS reader,
    r.actor_role AS as_role,
    r.action,
    r.subject,
    r.version,
    r.clinic_id,
    cardinality(r.record_ids) AS records_in_list,
    r.correlation_id
FROM audit.reads AS r
WHERE r.person_id = :'patient'
    AND r.time >= :'from'::date
    AND r.time < :'until'::date + 1
ORDER BY r.position DESC;
