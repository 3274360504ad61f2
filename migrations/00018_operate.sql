-- What operators look for: what is set aside, and notifications by time. A person's unread ones are counted in their inbox.
-- +goose Up
SET lock_timeout = '5s';

CREATE INDEX follower_failures_open_idx ON follower_failures (follower, position) WHERE redriven_at IS NULL;
CREATE INDEX outbox_rejected_open_idx ON outbox_rejected (id) WHERE redriven_at IS NULL;

-- Operators and inboxes go through notifications in one order, that of the time. Nothing asks by position any more.
CREATE INDEX notifications_created_idx ON notifications (created_at DESC, id DESC);
CREATE INDEX notifications_unread_idx ON notifications (recipient_id, created_at DESC, id DESC) WHERE read_at IS NULL;
DROP INDEX notifications_position_idx;
