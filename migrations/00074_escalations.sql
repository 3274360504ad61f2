-- The steps that follow if nobody reacts to the notifications of an event: a row for each rule and step that waits. They are of
-- the event and not of one notification, because one person's acknowledgement ends them for everybody who was notified.
-- +goose Up
SET lock_timeout = '5s';

-- outcome is NULL while the step waits; then escalated, acknowledged, read, delivered, cut_off or nobody.
CREATE TABLE escalations (
    event_position bigint NOT NULL,
    event_id uuid NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    step integer NOT NULL,
    unless text NOT NULL,
    after interval NOT NULL,
    subject text NOT NULL,
    subject_version bigint,
    clinic_id uuid,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    outcome text,
    done_by uuid,
    CONSTRAINT escalations_pkey PRIMARY KEY (event_position, rule, step),
    CONSTRAINT escalations_outcome_known CHECK (outcome IN ('escalated', 'acknowledged', 'read', 'delivered', 'cut_off', 'nobody')),
    CONSTRAINT escalations_done CHECK ((done_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX escalations_due_idx ON escalations (due_at) WHERE done_at IS NULL;
CREATE INDEX escalations_subject_idx ON escalations (subject) WHERE done_at IS NULL;

GRANT SELECT ON escalations TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON escalations TO carewire_worker;

CREATE VIEW audit.escalations AS
SELECT
    event_position,
    event_id,
    rule,
    rule_version,
    step,
    unless,
    after,
    subject,
    clinic_id,
    due_at,
    created_at,
    done_at,
    outcome,
    done_by
FROM escalations;
GRANT SELECT ON audit.escalations TO carewire_auditor;
