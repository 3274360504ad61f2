-- The client of an event: its network address and its class of program. It is stored beside the ledger and outside of the
-- leaf hash, so that it can be deleted after some time. It passes through the outbox in the row of its event, so that a
-- write needs no further statement.
-- +carewire allow add-constraint outbox: the outbox holds what the sequencer has not moved yet, which is next to nothing.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE outbox
    ADD COLUMN client_address inet,
    ADD COLUMN client_agent text,
    ADD CONSTRAINT outbox_client_agent_length CHECK (char_length(client_agent) BETWEEN 1 AND 20),
    ADD CONSTRAINT outbox_client_agent_there CHECK (client_address IS NULL OR client_agent IS NOT NULL);

-- Events of carewire itself have no row. recorded_at is the event's: it never decreases along the positions, so that old
-- rows are those with the lowest positions. address is null if the settings do not let it be stored.
CREATE TABLE event_clients (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    address inet,
    agent text NOT NULL,
    CONSTRAINT event_clients_pkey PRIMARY KEY (position)
) WITH (
    -- Rows are only added at one end and deleted at the other: vacuum by count, so that the sweep does not read dead rows.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000
);
GRANT INSERT, SELECT, DELETE ON event_clients TO carewire_worker;
GRANT SELECT ON event_clients TO carewire_app;

-- Addresses are data about people. Only the audit trail reads them, on behalf of an auditor.
ALTER TABLE event_clients ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_clients_app ON event_clients FOR SELECT TO carewire_app USING ((SELECT scope_is('system')));
CREATE POLICY event_clients_worker ON event_clients TO carewire_worker USING (true);
