-- What an auditor may see: schema audit, by the role carewire_auditor. Its views hold ids, types, states, codes and times,
-- never names, addresses or clinical content: who must know a person's name asks the clinic with the id.
--
-- The views run with their owner's rights, so the auditor has none on the tables behind them. They leave out columns, not
-- rows: there is no row to guard with security_barrier, which would keep conditions from the indexes.
-- +goose Up
SET lock_timeout = '5s';

CREATE SCHEMA audit;

-- Everything that happened, in order.
CREATE VIEW audit.events AS
SELECT
    position,
    epoch,
    event_id,
    type,
    source,
    subject,
    subject_version,
    time,
    data,
    clinic_id,
    person_id,
    actor_id,
    actor_role,
    cause_id,
    correlation_id,
    traceparent,
    imported,
    recorded_at,
    leaf_hash
FROM events;

-- Who was shown what. record_ids is for lists, which are read under the subject patient/<id>.
CREATE VIEW audit.reads AS
SELECT
    position,
    time,
    actor_id,
    actor_role,
    subject,
    person_id,
    clinic_id,
    data ->> 'action' AS action,
    (data ->> 'version')::bigint AS version,
    ARRAY(SELECT jsonb_array_elements_text(coalesce(data -> 'recordIds', '[]')))::uuid[] AS record_ids,
    correlation_id
FROM events
WHERE type = 'record.read';

-- Who asked for what they may not have. person_id is null where the thing was not there.
CREATE VIEW audit.denials AS
SELECT
    position,
    time,
    actor_id,
    actor_role,
    subject,
    person_id,
    clinic_id,
    data ->> 'action' AS action,
    data ->> 'code' AS code,
    correlation_id
FROM events
WHERE type = 'access.denied';

-- Whom a rule told of which event.
CREATE VIEW audit.notifications AS
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
    read_at
FROM notifications;

-- By which channel, how far it got, and why.
CREATE VIEW audit.deliveries AS
SELECT
    d.id,
    d.notification_id,
    n.event_position,
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
    d.sent_at
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id;

-- What a matching rule decided not to send, and why.
CREATE VIEW audit.decisions AS
SELECT
    id,
    event_position,
    event_id,
    rule,
    rule_version,
    recipient_id,
    channel,
    reason,
    decided_at
FROM decisions;

-- The rules as they were published, and from which position on they were in force.
CREATE VIEW audit.rules AS
SELECT
    s.version,
    p.position AS in_force_from,
    s.source,
    s.note,
    s.published_by,
    s.published_at
FROM rule_sets AS s
LEFT JOIN rule_publications AS p ON p.version = s.version;

-- Each event's leaf hash as it is stored and as its columns give it: where the two differ, the event was changed.
CREATE VIEW audit.leaves AS
SELECT
    e.position,
    e.epoch,
    e.leaf_hash,
    event_leaf(e) AS computed_hash
FROM events AS e;

CREATE VIEW audit.epochs AS
SELECT
    epoch,
    first_position,
    reason,
    started_at
FROM ledger_epochs;

-- audit.story gives the events of a subject and those that they caused, and so on, the oldest first.
-- +goose StatementBegin
CREATE FUNCTION audit.story(p_subject text) RETURNS SETOF audit.events
LANGUAGE sql
STABLE
BEGIN ATOMIC
    WITH RECURSIVE told AS (
        SELECT e.position, e.event_id
        FROM audit.events AS e
        WHERE e.subject = p_subject
        UNION
        SELECT c.position, c.event_id
        FROM told AS t
        JOIN audit.events AS c ON c.cause_id = t.event_id
    )
    SELECT e.*
    FROM audit.events AS e
    WHERE e.position = ANY(ARRAY(SELECT t.position FROM told AS t))
    ORDER BY e.position;
END;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION audit.story FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO carewire_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO carewire_auditor;
GRANT EXECUTE ON FUNCTION audit.story TO carewire_auditor;
