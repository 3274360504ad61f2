-- The key that links a delivery with the jobs that carry it. Completed jobs are not in it: a job enters it twice, when it is
-- inserted and when it is fetched. River's own migrations name their indexes, and this is none of them.
DO $$
BEGIN
    IF to_regclass('river.river_job_delivery_idx') IS NULL THEN
        SET LOCAL lock_timeout = '5s';
        CREATE INDEX river_job_delivery_idx ON river.river_job (((args ->> 'deliveryId')::uuid))
            WHERE kind = 'delivery' AND state NOT IN ('completed', 'cancelled', 'discarded');
    END IF;
END
$$;
