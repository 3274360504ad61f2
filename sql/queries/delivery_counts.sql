-- Numbers of messages by day, clinic, channel, provider, rule and outcome.

-- name: DeliveryCountAdd :exec
-- Counts a batch of outcomes, one element each. The zero clinic id means none.
WITH happened AS (
    SELECT
        (unnest(@times::timestamptz[]) AT TIME ZONE 'UTC')::date AS day,
        nullif(unnest(@clinic_ids::uuid[]), '00000000-0000-0000-0000-000000000000') AS clinic_id,
        unnest(@channels::text[]) AS channel,
        unnest(@providers::text[]) AS provider,
        unnest(@rules::text[]) AS rule,
        unnest(@outcomes::text[]) AS outcome
)
INSERT INTO delivery_counts (day, clinic_id, channel, provider, rule, outcome, count)
SELECT
    happened.day,
    happened.clinic_id,
    happened.channel,
    happened.provider,
    happened.rule,
    happened.outcome,
    count(*)
FROM happened
GROUP BY
    happened.day,
    happened.clinic_id,
    happened.channel,
    happened.provider,
    happened.rule,
    happened.outcome
ON CONFLICT (day, clinic_id, channel, provider, rule, outcome) DO UPDATE
SET count = delivery_counts.count + excluded.count;

-- name: DeliveryCountList :many
-- Returns the sums of the days from first to last over the dimensions that are named: '' instead of the values of the others.
-- Without clinic ids: of every clinic, and of none; the zero id then means none. Days are YYYY-MM-DD.
SELECT
    to_char(c.day, 'YYYY-MM-DD')::text AS day,
    CASE WHEN @by_clinic::boolean AND c.clinic_id IS NOT NULL THEN c.clinic_id ELSE '00000000-0000-0000-0000-000000000000' END::uuid AS clinic_id,
    CASE WHEN @by_channel::boolean THEN c.channel ELSE '' END::text AS channel,
    CASE WHEN @by_provider::boolean THEN c.provider ELSE '' END::text AS provider,
    CASE WHEN @by_rule::boolean THEN c.rule ELSE '' END::text AS rule,
    c.outcome,
    sum(c.count)::bigint AS count
FROM delivery_counts AS c
WHERE c.day >= to_date(@first_day::text, 'YYYY-MM-DD')
    AND c.day <= to_date(@last_day::text, 'YYYY-MM-DD')
    AND (@every_clinic::boolean OR c.clinic_id = ANY (@clinic_ids::uuid[]))
    AND (@channel::text = '' OR c.channel = @channel)
    AND (@rule::text = '' OR c.rule = @rule)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
LIMIT @max_rows;
