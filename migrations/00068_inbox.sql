-- The inbox of a person: what they have seen, read and archived, and the openings of links in
-- messages. Indexes are created on the partitioned table alone, as in 00060: the service builds the
-- parts of the existing partitions concurrently, right after the migrations.
-- +goose Up
SET lock_timeout = '5s';

-- A notification that was read counts as seen, also one that an earlier release marked as read.
ALTER TABLE notifications ADD COLUMN seen_at timestamptz;
ALTER TABLE notifications ADD COLUMN archived_at timestamptz;
GRANT UPDATE (read_at, seen_at, archived_at) ON notifications TO carewire_app;

-- The inbox, its unread part with both counts, and its archive. A page of each is one range.
CREATE INDEX notifications_inbox_idx ON ONLY notifications (recipient_id, created_at DESC, id DESC)
WHERE archived_at IS NULL AND held_until IS NULL;
DROP INDEX notifications_unread_idx;
CREATE INDEX notifications_unread_idx ON ONLY notifications (recipient_id, created_at DESC, id DESC) INCLUDE (seen_at)
WHERE read_at IS NULL AND archived_at IS NULL AND held_until IS NULL;
CREATE INDEX notifications_archived_idx ON ONLY notifications (recipient_id, created_at DESC, id DESC)
WHERE archived_at IS NOT NULL AND held_until IS NULL;

-- The columns of a notification that its recipient sees.
CREATE VIEW inbox_items WITH (security_invoker = true) AS
SELECT
    n.id,
    n.event_position,
    n.event_id,
    n.event_type,
    n.subject,
    n.recipient_id,
    n.clinic_id,
    n.category,
    n.priority,
    n.created_at,
    n.seen_at,
    n.read_at,
    n.archived_at,
    n.held_until
FROM notifications AS n;
GRANT SELECT ON inbox_items TO carewire_app;

-- When the link of a message was first opened.
ALTER TABLE deliveries ADD COLUMN opened_at timestamptz;

-- inbox_settle_read settles the deliveries of notifications that the person in the scope has read
-- in the app: delivered ones become read, and those that no provider was called for are cancelled.
-- One that a provider may have keeps its state, and takes no fallback channel any more. It returns
-- the deliveries with a new state.
-- +goose StatementBegin
CREATE FUNCTION inbox_settle_read(p_ids uuid[], p_event_positions bigint[])
RETURNS TABLE (id uuid, notification_id uuid, event_id uuid, clinic_id uuid, channel text, state text, attempt integer,
    provider text, provider_id text, possible_duplicate boolean)
LANGUAGE sql VOLATILE
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    UPDATE deliveries AS d
    SET
        state = CASE
            WHEN d.state = 'delivered' THEN 'read'
            WHEN d.state IN ('planned', 'queued') AND d.attempt_started_at IS NULL THEN 'cancelled'
            ELSE d.state
        END,
        reason = CASE WHEN d.state IN ('planned', 'queued') AND d.attempt_started_at IS NULL THEN 'read_in_app' ELSE d.reason END,
        fallback = '{}',
        updated_at = now()
    FROM notifications AS n
    JOIN unnest(p_ids, p_event_positions) AS asked (id, event_position) ON n.id = asked.id AND n.event_position = asked.event_position
    WHERE n.recipient_id = (SELECT scope_person())
        AND n.read_at IS NOT NULL
        AND d.event_position = n.event_position
        AND d.recipient_id = n.recipient_id
        AND d.notification_id = n.id
        AND (d.state IN ('delivered', 'planned', 'queued') OR (d.state IN ('uncertain', 'sent') AND d.fallback <> '{}'))
    RETURNING
        d.id,
        d.notification_id,
        d.event_id,
        n.clinic_id,
        d.channel,
        d.state,
        d.attempt,
        d.provider,
        d.provider_id,
        d.possible_duplicate;
END;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION inbox_settle_read TO carewire_app;

-- delivery_opened records that the link of a message was opened, and returns its notification;
-- no row for an unknown delivery. A link is opened without signing in, so the caller has no scope.
-- +goose StatementBegin
CREATE FUNCTION delivery_opened(p_id uuid, p_count boolean) RETURNS TABLE (notification_id uuid, first boolean)
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_position bigint;
    v_notification uuid;
    v_opened timestamptz;
BEGIN
    SELECT d.event_position, d.notification_id, d.opened_at
    INTO v_position, v_notification, v_opened
    FROM deliveries AS d
    WHERE d.id = p_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF p_count AND v_opened IS NULL THEN
        UPDATE deliveries AS d
        SET opened_at = now()
        WHERE d.id = p_id
            AND d.event_position = v_position
            AND d.opened_at IS NULL;
        RETURN QUERY SELECT v_notification, FOUND;
        RETURN;
    END IF;
    RETURN QUERY SELECT v_notification, false;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION delivery_opened TO carewire_app;
