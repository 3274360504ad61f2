-- A message on a fallback channel waits for the person's quiet hours or goes into their daily digest, as any other that is not
-- critical. Whether anything of that kind can apply is one look-up, so that the worker leaves the decision to the scheduler only
-- then.
-- +goose Up
SET lock_timeout = '5s';

CREATE FUNCTION messages_may_wait(p_user_id uuid, p_clinic_id uuid) RETURNS boolean
LANGUAGE sql
STABLE
RETURN EXISTS (SELECT FROM person_times AS t WHERE t.user_id = p_user_id AND t.quiet_hours IS NOT NULL)
    OR EXISTS (SELECT FROM preferences AS p WHERE p.user_id = p_user_id AND p.setting = 'digest')
    OR EXISTS (SELECT FROM notification_defaults AS f WHERE f.clinic_id IS NULL OR f.clinic_id = p_clinic_id);

REVOKE ALL ON FUNCTION messages_may_wait FROM PUBLIC;
GRANT EXECUTE ON FUNCTION messages_may_wait TO carewire_worker;
