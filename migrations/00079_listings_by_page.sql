-- Lists read the rows of a page first, and then join what they show with them: the view of deliveries has the key of the
-- partition for it. Indexes are created on the partitioned tables alone, as in 00060: the service builds the parts of the
-- existing partitions concurrently, right after the migrations.
-- +goose Up
SET lock_timeout = '5s';

-- The deliveries of a rule, of which most are rare.
CREATE INDEX deliveries_rule_idx ON ONLY deliveries (rule, created_at, id);
-- What is planned for a person, and what was cancelled before its time. No message that is sent at once enters it.
CREATE INDEX deliveries_personal_plans_idx ON ONLY deliveries (recipient_id, state, created_at, id)
WHERE state IN ('planned', 'cancelled');
-- What anyone still has to acknowledge.
CREATE INDEX notifications_to_acknowledge_idx ON ONLY notifications (created_at DESC, id DESC)
WHERE needs_acknowledgement AND acknowledged_at IS NULL;

CREATE OR REPLACE VIEW listed_deliveries WITH (security_invoker = true) AS
SELECT
    d.id,
    d.notification_id,
    d.event_id,
    n.event_type,
    n.subject,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    d.priority,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.error_code,
    d.created_at,
    d.updated_at,
    d.template,
    d.template_version,
    d.event_position
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;
