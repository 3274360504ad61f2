-- Lists that do not sort the table and stories that do not read the ledger.
-- +carewire allow create-index deliveries: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- Operators go through deliveries in the order in which they were planned, or through those of a person, of any state but
-- sent, or of a channel. Nearly all messages are email and push, so that those are found soon without an index of their own.
CREATE INDEX deliveries_created_idx ON deliveries (created_at, id);
CREATE INDEX deliveries_channel_idx ON deliveries (channel, created_at, id) WHERE channel NOT IN ('email', 'push');

-- A delivery as operators see it. It has the rights and the row-level security of who asks.
CREATE VIEW listed_deliveries WITH (security_invoker = true) AS
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
    d.updated_at
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;
GRANT SELECT ON listed_deliveries TO carewire_app;

-- As before, but each step is a look-up by cause: joined otherwise, the ledger was read whole for a subject with many events.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit.story(p_subject text) RETURNS SETOF audit.events
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
        CROSS JOIN LATERAL (
            SELECT x.position, x.event_id
            FROM audit.events AS x
            WHERE x.cause_id = t.event_id
            OFFSET 0
        ) AS c
    )
    SELECT e.*
    FROM audit.events AS e
    WHERE e.position = ANY(ARRAY(SELECT t.position FROM told AS t))
    ORDER BY e.position;
END;
-- +goose StatementEnd
