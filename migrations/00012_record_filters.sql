-- Records are listed by who wrote them too, and a version says why it was written where it amends or retracts. By patient,
-- clinic and doctor there are indexes already; what else a list filters by is looked at along those.
-- +goose Up
SET lock_timeout = '5s';

CREATE INDEX records_author_idx ON records (created_by, kind, effective_at DESC, id DESC);

ALTER TABLE records
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT records_reason_length CHECK (char_length(reason) <= 1000);
ALTER TABLE record_versions
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT record_versions_reason_length CHECK (char_length(reason) <= 1000);
