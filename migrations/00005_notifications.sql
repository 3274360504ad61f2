-- Rules, what they decided, and what became of it.
-- +goose Up
SET lock_timeout = '5s';

-- Every rule set that was ever published, as its author wrote it.
CREATE TABLE rule_sets (
    version integer NOT NULL,
    source text NOT NULL,
    checksum bytea NOT NULL,
    note text NOT NULL DEFAULT '',
    published_by text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rule_sets_pkey PRIMARY KEY (version)
);

-- From which position on a version is in force: written by the planner when it passes the rules.published event.
CREATE TABLE rule_publications (
    position bigint NOT NULL,
    version integer NOT NULL,
    CONSTRAINT rule_publications_pkey PRIMARY KEY (position),
    CONSTRAINT rule_publications_version_fkey FOREIGN KEY (version) REFERENCES rule_sets (version)
);
CREATE INDEX rule_publications_version_idx ON rule_publications (version);

-- One row per event and recipient: what a person was told of. The in-app inbox reads it too.
CREATE TABLE notifications (
    id uuid NOT NULL,
    event_position bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    subject text NOT NULL,
    recipient_id uuid NOT NULL,
    clinic_id uuid,
    category text NOT NULL,
    priority text NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    template text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    CONSTRAINT notifications_pkey PRIMARY KEY (id),
    CONSTRAINT notifications_event_recipient_key UNIQUE (event_id, recipient_id),
    CONSTRAINT notifications_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id),
    CONSTRAINT notifications_priority_known CHECK (priority IN ('critical', 'high', 'normal', 'bulk'))
);
CREATE INDEX notifications_recipient_idx ON notifications (recipient_id, created_at DESC, id DESC);
CREATE INDEX notifications_position_idx ON notifications (event_position);

-- One row per event, recipient and channel: the truth about a message. The River job is only its engine.
-- attempt counts the calls begun; attempt_started_at is set while one may be under way, so that a crash in mid-call shows.
CREATE TABLE deliveries (
    id uuid NOT NULL,
    notification_id uuid NOT NULL,
    event_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL DEFAULT '',
    rule text NOT NULL,
    template text NOT NULL,
    priority text NOT NULL,
    fallback text[] NOT NULL DEFAULT '{}',
    attempt integer NOT NULL DEFAULT 0,
    attempt_started_at timestamptz,
    possible_duplicate boolean NOT NULL DEFAULT false,
    not_before timestamptz,
    deadline_at timestamptz,
    provider text,
    provider_id text,
    error_code text,
    correlation_id text,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    CONSTRAINT deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT deliveries_event_recipient_channel_key UNIQUE (event_id, recipient_id, channel),
    CONSTRAINT deliveries_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES notifications (id),
    CONSTRAINT deliveries_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id),
    CONSTRAINT deliveries_channel_known CHECK (channel IN ('email', 'push', 'sms', 'whatsapp', 'inapp')),
    CONSTRAINT deliveries_state_known CHECK (state IN ('planned', 'queued', 'uncertain', 'sent', 'delivered', 'read', 'suppressed', 'cancelled', 'failed'))
);
CREATE INDEX deliveries_notification_id_idx ON deliveries (notification_id);
CREATE INDEX deliveries_recipient_id_idx ON deliveries (recipient_id);
CREATE INDEX deliveries_open_idx ON deliveries (updated_at) WHERE state IN ('planned', 'queued', 'uncertain');
-- What operators look for; few rows, and none that a message on its way passes through.
CREATE INDEX deliveries_trouble_idx ON deliveries (state, updated_at DESC, id DESC) WHERE state IN ('suppressed', 'cancelled', 'failed');
CREATE INDEX deliveries_provider_id_idx ON deliveries (provider_id) WHERE provider_id IS NOT NULL;

-- What a matching rule decided NOT to send, and why; what it did send stands in deliveries with its rule and reason.
-- recipient_id is null when the rule named nobody.
CREATE TABLE decisions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_position bigint NOT NULL,
    event_id uuid NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    recipient_id uuid,
    channel text,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT decisions_pkey PRIMARY KEY (id),
    -- A second planning of the same event adds nothing.
    CONSTRAINT decisions_key UNIQUE NULLS NOT DISTINCT (event_id, rule, recipient_id, channel)
);
CREATE INDEX decisions_recipient_id_idx ON decisions (recipient_id) WHERE recipient_id IS NOT NULL;

GRANT SELECT, INSERT ON rule_sets TO carewire_app, carewire_worker;
GRANT SELECT ON rule_publications, notifications, deliveries, decisions TO carewire_app;
GRANT UPDATE (read_at) ON notifications TO carewire_app;
GRANT SELECT, INSERT ON rule_publications TO carewire_worker;
GRANT SELECT, INSERT, UPDATE ON notifications, deliveries TO carewire_worker;
GRANT SELECT, INSERT ON decisions TO carewire_worker;
