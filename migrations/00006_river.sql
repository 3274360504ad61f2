-- River keeps its own tables in its own schema, made by its own migrations right after these.
-- +goose Up
SET lock_timeout = '5s';

CREATE SCHEMA river;
GRANT USAGE ON SCHEMA river TO carewire_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO carewire_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT USAGE, SELECT ON SEQUENCES TO carewire_worker;

-- Which migrations ran, for the readiness check of every instance. The migration tool made this table just before.
GRANT SELECT ON goose_db_version TO carewire_app, carewire_worker;
