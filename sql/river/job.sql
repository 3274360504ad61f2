-- What our queries read of River's table, for the query generator alone: River's own migrations make it.
CREATE TABLE river.river_job (
    id bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    queue text NOT NULL,
    scheduled_at timestamptz NOT NULL,
    args jsonb NOT NULL
);
