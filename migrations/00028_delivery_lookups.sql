-- How deliveries are looked for: open ones and those that operators ask for in the order in which they were planned, and
-- uncertain ones by their deadline. No index holds updated_at any more, so that a retry, too, writes to none.
-- +carewire allow create-index deliveries: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

DROP INDEX deliveries_open_idx, deliveries_trouble_idx, deliveries_recipient_id_idx;
-- A message on its way enters it once, when it is planned, and leaves it when it is sent.
CREATE INDEX deliveries_state_idx ON deliveries (state, created_at, id) WHERE state <> 'sent';
CREATE INDEX deliveries_deadline_idx ON deliveries (deadline_at) WHERE state = 'uncertain';
CREATE INDEX deliveries_recipient_idx ON deliveries (recipient_id, created_at, id);

-- Where a sweep over many rows goes on the next time, on whichever instance: behind the last row that it looked at.
CREATE TABLE sweeps (
    name text NOT NULL,
    after_time timestamptz NOT NULL,
    after_id uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sweeps_pkey PRIMARY KEY (name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON sweeps TO carewire_worker;
