-- Numbers of events by clinic, type and hour.

-- name: EventCountAdd :exec
-- Counts a batch of events, one element each. The zero clinic id means none.
WITH happened AS (
    SELECT
        nullif(unnest(@clinic_ids::uuid[]), '00000000-0000-0000-0000-000000000000') AS clinic_id,
        unnest(@types::text[]) AS type,
        date_trunc('hour', unnest(@times::timestamptz[]), 'UTC') AS hour
)
INSERT INTO event_counts (clinic_id, type, hour, count)
SELECT
    happened.clinic_id,
    happened.type,
    happened.hour,
    count(*)
FROM happened
GROUP BY
    happened.clinic_id,
    happened.type,
    happened.hour
ON CONFLICT (clinic_id, type, hour) DO UPDATE
SET count = event_counts.count + excluded.count;

-- name: EventCountList :many
-- Returns the hours that begin in [from, until). Without clinic ids: of every clinic, and of none.
SELECT
    clinic_id,
    type,
    hour,
    count
FROM event_counts
WHERE hour >= @from_hour
    AND hour < @until
    AND (@every_clinic::boolean OR clinic_id = ANY (@clinic_ids::uuid[]))
    AND (@every_type::boolean OR type = ANY (@types::text[]))
ORDER BY hour, clinic_id NULLS FIRST, type
LIMIT @max_rows;
