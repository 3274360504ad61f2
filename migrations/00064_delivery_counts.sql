-- The outcomes of messages by day, clinic, channel, provider and rule: maintained by the follower analytics.
-- +goose Up
SET lock_timeout = '5s';

-- day is in UTC. provider is '' if none was called. A message that was sent and later read counts once in each of the two.
CREATE TABLE delivery_counts (
    day date NOT NULL,
    clinic_id uuid,
    channel text NOT NULL,
    provider text NOT NULL,
    rule text NOT NULL,
    outcome text NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT delivery_counts_key UNIQUE NULLS NOT DISTINCT (day, clinic_id, channel, provider, rule, outcome),
    CONSTRAINT delivery_counts_count_positive CHECK (count > 0)
);

CREATE VIEW audit.delivery_counts AS
SELECT
    day,
    clinic_id,
    channel,
    provider,
    rule,
    outcome,
    count
FROM delivery_counts;

GRANT SELECT ON delivery_counts TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON delivery_counts TO carewire_worker;
GRANT SELECT ON audit.delivery_counts TO carewire_auditor;
