-- Who is added to a conversation sees what is written from then on, unless whoever adds them shows them the history, and takes
-- out again those whom they added themselves.
-- +goose Up
SET lock_timeout = '5s';

-- sees_after is the number of the last message that the person is not shown: 0 for one who sees all of them, as everybody does who
-- takes part already. added_by is the id of who added them; NULL for one who takes part from the beginning, and for everybody
-- who was added before this migration.
ALTER TABLE conversation_participants
    ADD COLUMN sees_after bigint NOT NULL DEFAULT 0,
    ADD COLUMN added_by text;
