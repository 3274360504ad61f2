-- What is due later. A notification that a schedule plans for later is one of several about the same event: plan_key names it
-- within the event and the recipient, and is '' for the one that is due at once. due_at is when the scheduler decides about the
-- notification next: at its time, or at the end of the person's quiet hours. It is NULL where nothing waits.
-- The keys are replaced under an exclusive lock, which reads each table once. Instances of an earlier release must not run: their
-- statements name unique keys that are gone.
-- +carewire allow add-constraint notifications: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow add-constraint deliveries: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow create-index notifications: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE notifications
    ADD COLUMN plan_key text NOT NULL DEFAULT '',
    ADD COLUMN subject_version bigint,
    ADD COLUMN due_at timestamptz,
    ADD COLUMN acknowledged_at timestamptz,
    DROP CONSTRAINT notifications_pkey,
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (event_position, recipient_id, plan_key);
ALTER TABLE deliveries
    ADD COLUMN plan_key text NOT NULL DEFAULT '',
    DROP CONSTRAINT deliveries_pkey,
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (event_position, recipient_id, plan_key, channel);
-- Those that are due at the same time, such as the end of quiet hours, are decided in the order of their events.
CREATE INDEX notifications_due_idx ON notifications (due_at, event_position) WHERE due_at IS NOT NULL;
-- What waits for a person whose preferences change, and about a subject that becomes untrue.
CREATE INDEX notifications_due_recipient_idx ON notifications (recipient_id) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_due_subject_idx ON notifications (subject) WHERE due_at IS NOT NULL;

-- How far the clock of what is due later is ahead of PostgreSQL's: only the sandbox of a demo moves it.
CREATE TABLE due_clock (
    single boolean NOT NULL DEFAULT true,
    ahead interval NOT NULL,
    CONSTRAINT due_clock_pkey PRIMARY KEY (single),
    CONSTRAINT due_clock_single CHECK (single),
    CONSTRAINT due_clock_ahead CHECK (ahead >= interval '0')
);
INSERT INTO due_clock (ahead) VALUES (interval '0');

-- due_now returns the time by which it is decided what is due.
CREATE FUNCTION due_now() RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN now() + (SELECT c.ahead FROM due_clock AS c);

GRANT SELECT ON due_clock TO carewire_app, carewire_worker;
GRANT UPDATE (ahead) ON due_clock TO carewire_worker;
REVOKE ALL ON FUNCTION due_now FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_now TO carewire_app, carewire_worker;
