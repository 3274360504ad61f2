-- How long an event waits for its position is told from when it was appended: its own time can be years back, as of what
-- was taken in from another system.
-- +carewire allow add-constraint outbox: the outbox holds what the sequencer has not moved yet, which is next to nothing.
-- +goose Up
SET lock_timeout = '5s';

-- Two steps, so that the table is not rewritten: now() is one value for the rows that are there, and then each new row gets
-- a time of its own. Everybody who may append may write the column: an infinite age would break the gauge.
ALTER TABLE outbox ADD COLUMN appended_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE outbox
    ALTER COLUMN appended_at SET DEFAULT clock_timestamp(),
    ADD CONSTRAINT outbox_appended_at_finite CHECK (isfinite(appended_at));
