-- Preferences, whole: a person chooses on, off or digest for each category and channel, for all clinics (clinic_id is NULL) or
-- for one, and when messages wait. Clinics and the installation have defaults for those who chose nothing, and may make
-- categories essential: nobody switches those off. An instance of an earlier release would read a column that is gone.
-- +carewire allow add-constraint preferences: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow create-index preferences: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE preferences
    ADD COLUMN clinic_id uuid,
    ADD COLUMN setting text NOT NULL DEFAULT 'off';
UPDATE preferences
SET setting = 'on'
WHERE enabled;
ALTER TABLE preferences
    ALTER COLUMN setting DROP DEFAULT,
    DROP COLUMN enabled,
    DROP CONSTRAINT preferences_pkey,
    ADD CONSTRAINT preferences_key UNIQUE NULLS NOT DISTINCT (user_id, clinic_id, category, channel),
    ADD CONSTRAINT preferences_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    ADD CONSTRAINT preferences_setting_known CHECK (setting IN ('on', 'off', 'digest'));
CREATE INDEX preferences_clinic_id_idx ON preferences (clinic_id);

-- When a person's messages wait. quiet_hours is NULL if the person set none, so that a default applies, and an empty list if
-- messages never wait. The zone of both is users.time_zone.
CREATE TABLE person_times (
    user_id uuid NOT NULL,
    quiet_hours jsonb,
    digest_hour smallint NOT NULL DEFAULT 8,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT person_times_pkey PRIMARY KEY (user_id),
    CONSTRAINT person_times_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT person_times_quiet_hours_list CHECK (
        CASE jsonb_typeof(quiet_hours) WHEN 'array' THEN jsonb_array_length(quiet_hours) <= 14 ELSE quiet_hours IS NULL END
    ),
    CONSTRAINT person_times_digest_hour_of_day CHECK (digest_hour BETWEEN 0 AND 23)
);

-- The defaults of a clinic, or of the installation (clinic_id is NULL). settings maps category/channel to a setting, such as
-- {"billing/email": "digest"}: it is always read and replaced as a whole.
CREATE TABLE notification_defaults (
    clinic_id uuid,
    version bigint NOT NULL,
    settings jsonb NOT NULL,
    essential text[] NOT NULL,
    quiet_hours jsonb,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT notification_defaults_key UNIQUE NULLS NOT DISTINCT (clinic_id),
    CONSTRAINT notification_defaults_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT notification_defaults_version_positive CHECK (version > 0),
    CONSTRAINT notification_defaults_settings_object CHECK (jsonb_typeof(settings) = 'object'),
    CONSTRAINT notification_defaults_quiet_hours_list CHECK (
        CASE jsonb_typeof(quiet_hours) WHEN 'array' THEN jsonb_array_length(quiet_hours) <= 14 ELSE quiet_hours IS NULL END
    )
);

-- People's own are written by nobody else. Those who work at a clinic where a person has a role see what applies there, and the access table lets
-- administrators read it. OFFSET 0 keeps the look-up one probe of an index: it would read all memberships otherwise.
DROP POLICY preferences_app ON preferences;
CREATE POLICY preferences_app ON preferences TO carewire_app
    USING ((SELECT scope_is('system')) OR user_id = (SELECT scope_person()));
CREATE POLICY preferences_app_see ON preferences FOR SELECT TO carewire_app USING (
    (clinic_id IS NULL OR clinic_id = ANY((SELECT scope_clinics())::uuid[]))
    AND EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = preferences.user_id AND m.clinic_id = ANY((SELECT scope_clinics())::uuid[]) AND m.revoked_at IS NULL OFFSET 0)
);
ALTER TABLE person_times ENABLE ROW LEVEL SECURITY;
CREATE POLICY person_times_app ON person_times TO carewire_app
    USING ((SELECT scope_is('system')) OR user_id = (SELECT scope_person()));
CREATE POLICY person_times_app_see ON person_times FOR SELECT TO carewire_app USING (
    EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = person_times.user_id AND m.clinic_id = ANY((SELECT scope_clinics())::uuid[]) AND m.revoked_at IS NULL OFFSET 0)
);
CREATE POLICY person_times_worker ON person_times TO carewire_worker USING (true);

GRANT SELECT, INSERT, UPDATE ON person_times TO carewire_app;
GRANT SELECT ON person_times TO carewire_worker;
-- As clinic_settings: nothing here is about a person, so there is no policy.
GRANT SELECT, INSERT, UPDATE ON notification_defaults TO carewire_app;
GRANT SELECT ON notification_defaults TO carewire_worker;

-- preference_setting returns the setting of a category on a channel for a person, as care.SettingLevels.Decide does for a message
-- that is not critical. p_clinic_id is NULL for an event of no clinic. A digest is returned also for a channel that takes none.
CREATE FUNCTION preference_setting(p_user_id uuid, p_clinic_id uuid, p_category text, p_channel text) RETURNS text
LANGUAGE sql
STABLE
RETURN (
    SELECT CASE WHEN c.chosen = 'off' AND c.essential THEN 'on' ELSE c.chosen END
    FROM (
        SELECT
            coalesce(
                (
                    SELECT p.setting
                    FROM preferences AS p
                    WHERE p.user_id = p_user_id AND p.clinic_id = p_clinic_id AND p.category = p_category AND p.channel = p_channel
                ),
                (
                    SELECT p.setting
                    FROM preferences AS p
                    WHERE p.user_id = p_user_id AND p.clinic_id IS NULL AND p.category = p_category AND p.channel = p_channel
                ),
                (SELECT d.settings ->> (p_category || '/' || p_channel) FROM notification_defaults AS d WHERE d.clinic_id = p_clinic_id),
                (SELECT d.settings ->> (p_category || '/' || p_channel) FROM notification_defaults AS d WHERE d.clinic_id IS NULL),
                'on'
            ) AS chosen,
            EXISTS (
                SELECT
                FROM notification_defaults AS d
                WHERE (d.clinic_id = p_clinic_id OR d.clinic_id IS NULL) AND p_category = ANY(d.essential)
            ) AS essential
    ) AS c
);

-- notifications_due_again makes the waiting notifications of a person due, so that the scheduler decides about them again: the
-- person, or somebody at a clinic of theirs, has changed what decides. It returns how many, at most 1,000. It waits for the
-- scheduler's transactions, which may have read what is changed.
-- +goose StatementBegin
CREATE FUNCTION notifications_due_again(p_recipient_id uuid) RETURNS bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    WITH waiting AS (
        SELECT
            n.event_position,
            n.plan_key
        FROM notifications AS n
        WHERE n.recipient_id = p_recipient_id
            AND n.due_at IS NOT NULL
            AND (
                scope_is('system')
                OR p_recipient_id = scope_person()
                OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = p_recipient_id AND m.clinic_id = ANY(scope_clinics()))
            )
        ORDER BY n.due_at
        LIMIT 1000
        FOR UPDATE OF n
    ), again AS (
        UPDATE notifications AS n
        SET due_at = due_now()
        FROM waiting AS w
        WHERE n.event_position = w.event_position
            AND n.recipient_id = p_recipient_id
            AND n.plan_key = w.plan_key
            AND n.due_at IS NOT NULL
        RETURNING 1
    )
    SELECT count(*)
    FROM again;
END;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION preference_setting, notifications_due_again FROM PUBLIC;
GRANT EXECUTE ON FUNCTION preference_setting TO carewire_worker;
GRANT EXECUTE ON FUNCTION notifications_due_again TO carewire_app;
