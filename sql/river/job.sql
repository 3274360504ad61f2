-- The columns of River's table that our queries read, for sqlc only: River's own migrations create the table.
CREATE TABLE river.river_job (
    id bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    scheduled_at timestamptz NOT NULL,
    args jsonb NOT NULL
);
