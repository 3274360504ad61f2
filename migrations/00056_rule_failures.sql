-- How often a condition of a published rule could not be evaluated, and why: such a rule notifies other people than its author
-- meant. The planner counts in the transaction that plans the events. The numbers are per version, so that a corrected rule
-- begins at 0. There is no foreign key: rule sets are never deleted, and it would lock rule_sets.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE rule_failures (
    version integer NOT NULL,
    rule text NOT NULL,
    condition text NOT NULL,
    cause text NOT NULL,
    failures bigint NOT NULL,
    first_failed_at timestamptz NOT NULL DEFAULT now(),
    last_failed_at timestamptz NOT NULL DEFAULT now(),
    last_position bigint NOT NULL,
    CONSTRAINT rule_failures_pkey PRIMARY KEY (version, rule, condition, cause),
    CONSTRAINT rule_failures_condition_known CHECK (condition IN ('when', 'unless')),
    CONSTRAINT rule_failures_failures_positive CHECK (failures > 0)
);

GRANT SELECT ON rule_failures TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON rule_failures TO carewire_worker;
