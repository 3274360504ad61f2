-- A statement that checks and writes at once says with refuse() why it did not write: everything sent in the same
-- transaction is undone, so that the caller need not look at an answer before it commits.
-- +goose Up
SET lock_timeout = '5s';

-- Called only where a check failed, with the names of those that did, separated by commas. The names are the statement's
-- own words, never values.
-- +goose StatementBegin
CREATE FUNCTION refuse(p_checks text) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the statement refused to write' USING ERRCODE = 'CW001', DETAIL = p_checks;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION refuse FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refuse TO carewire_app;
