-- Digests and throttles. An open digest collects messages to a person on a channel until its due time or its largest number of
-- items; it is then closed and sent as one message, in one transaction. There is at most one open digest for a key. A message
-- that goes into a digest has an item instead of a delivery; the delivery is the digest's, with a notification of its own.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE digests (
    id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    clinic_id uuid,
    channel text NOT NULL,
    key text NOT NULL,
    category text NOT NULL,
    priority text NOT NULL,
    max_items integer NOT NULL,
    items integer NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT due_now(),
    due_at timestamptz NOT NULL,
    closed_at timestamptz,
    -- The digest's own notification; NULL for an open digest, and for one that was closed without anything to send.
    notification_id uuid,
    CONSTRAINT digests_pkey PRIMARY KEY (id),
    CONSTRAINT digests_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id),
    CONSTRAINT digests_max_items_positive CHECK (max_items > 0)
);
CREATE UNIQUE INDEX digests_open_key ON digests (recipient_id, clinic_id, channel, key) NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX digests_due_idx ON digests (due_at) WHERE closed_at IS NULL;
CREATE INDEX digests_notification_id_idx ON digests (notification_id) WHERE notification_id IS NOT NULL;

-- A message in a digest. left_out is the reason why it was not in the message: it became untrue, or the person may no longer
-- read its subject.
CREATE TABLE digest_items (
    digest_id uuid NOT NULL,
    event_position bigint NOT NULL,
    notification_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    channel text NOT NULL,
    rule text NOT NULL,
    template_version integer NOT NULL,
    reason text NOT NULL,
    left_out text,
    added_at timestamptz NOT NULL DEFAULT due_now(),
    CONSTRAINT digest_items_pkey PRIMARY KEY (notification_id, channel),
    CONSTRAINT digest_items_digest_id_fkey FOREIGN KEY (digest_id) REFERENCES digests (id),
    CONSTRAINT digest_items_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id)
);
CREATE INDEX digest_items_digest_id_idx ON digest_items (digest_id, added_at);
CREATE INDEX digest_items_position_idx ON digest_items (event_position);
CREATE INDEX digest_items_recipient_id_idx ON digest_items (recipient_id);

-- The times of a person's last messages under a key of a throttle, at most as many as the throttle allows.
CREATE TABLE throttles (
    recipient_id uuid NOT NULL,
    key text NOT NULL,
    sent timestamptz[] NOT NULL DEFAULT '{}',
    CONSTRAINT throttles_pkey PRIMARY KEY (recipient_id, key),
    CONSTRAINT throttles_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id)
);

ALTER TABLE digests ENABLE ROW LEVEL SECURITY;
CREATE POLICY digests_app ON digests FOR SELECT TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY digests_worker ON digests TO carewire_worker USING (true);
ALTER TABLE digest_items ENABLE ROW LEVEL SECURITY;
CREATE POLICY digest_items_app ON digest_items FOR SELECT TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY digest_items_worker ON digest_items TO carewire_worker USING (true);

GRANT SELECT ON digests, digest_items TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON digests, digest_items, throttles TO carewire_worker;

CREATE VIEW audit.digests AS
SELECT
    id,
    recipient_id,
    clinic_id,
    channel,
    key,
    category,
    items,
    opened_at,
    due_at,
    closed_at,
    notification_id
FROM digests;
CREATE VIEW audit.digest_items AS
SELECT
    digest_id,
    event_position,
    notification_id,
    recipient_id,
    channel,
    rule,
    reason,
    left_out,
    added_at
FROM digest_items;
GRANT SELECT ON audit.digests, audit.digest_items TO carewire_auditor;
