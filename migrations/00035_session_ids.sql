-- Tickets and sockets belong to the browser's session that asked for them and end with it. A session therefore has an id, which
-- its tickets, its sockets and the event session.closed carry; the digest stays between this table and the cookie.
-- +carewire allow volatile-default web_sessions: a row is an open session of a browser, gone after hours.
-- +carewire allow add-constraint web_sessions: a row is an open session of a browser, gone after hours.
-- +carewire allow add-constraint socket_tickets: a row is a ticket that lives for 30 seconds.
-- +carewire allow create-index socket_tickets: a row is a ticket that lives for 30 seconds.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE web_sessions ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE web_sessions ADD CONSTRAINT web_sessions_id_key UNIQUE (id);

-- NULL for a ticket that was issued for a bearer token. It is not known of the tickets of before, which are good for half a
-- minute: their holders ask for another.
DELETE FROM socket_tickets;
ALTER TABLE socket_tickets ADD COLUMN session_id uuid;
ALTER TABLE socket_tickets ADD CONSTRAINT socket_tickets_session_id_fkey
    FOREIGN KEY (session_id) REFERENCES web_sessions (id) ON DELETE CASCADE;
CREATE INDEX socket_tickets_session_id_idx ON socket_tickets (session_id);
