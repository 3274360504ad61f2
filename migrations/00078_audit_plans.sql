-- Auditors see which of an event's notifications a row is, when it is due, and when it was acknowledged: an appointment has one
-- at once and two reminders.
-- +goose Up
SET lock_timeout = '5s';

CREATE OR REPLACE VIEW audit.notifications AS
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    rule_version,
    template,
    created_at,
    read_at,
    plan_key,
    due_at,
    acknowledged_at
FROM notifications;

CREATE OR REPLACE VIEW audit.deliveries AS
SELECT
    d.id,
    d.notification_id,
    d.event_position,
    d.event_id,
    n.subject,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    n.rule_version,
    d.template,
    d.priority,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.provider_id,
    d.error_code,
    d.created_at,
    d.updated_at,
    d.sent_at,
    d.template_version,
    d.plan_key
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;
