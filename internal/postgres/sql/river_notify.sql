-- Every insert of an available job wakes the workers of its queue when it is committed. River's own notification is sent at most
-- once per cooldown and client, so that a job without one would wait for the workers' next poll. Equal notifications of one
-- transaction are one. River's own migrations name their functions and triggers, and these are none of them.
DO $$
BEGIN
    IF to_regprocedure('river.carewire_notify_inserted()') IS NULL THEN
        SET LOCAL lock_timeout = '5s';
        CREATE FUNCTION river.carewire_notify_inserted() RETURNS trigger
        LANGUAGE plpgsql
        AS $function$
        BEGIN
            PERFORM pg_notify('river.river_insert', format('{"queue": %s}', to_json(q.queue)))
            FROM (SELECT DISTINCT i.queue FROM inserted AS i WHERE i.state = 'available') AS q;
            RETURN NULL;
        END
        $function$;
        CREATE TRIGGER carewire_notify_inserted
            AFTER INSERT ON river.river_job
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT
            EXECUTE FUNCTION river.carewire_notify_inserted();
    END IF;
END
$$;
