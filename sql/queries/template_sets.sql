-- The published template sets; RuleSetLock serializes their publishers too.

-- name: TemplateSetCurrent :one
SELECT
    version,
    checksum
FROM template_sets
ORDER BY version DESC
LIMIT 1;

-- name: TemplateSetInsert :exec
INSERT INTO template_sets (version, source, checksum, note, published_by)
VALUES (@version, @source, @checksum, @note, @published_by);

-- name: TemplateSetSources :many
SELECT
    version,
    source
FROM template_sets
WHERE version = ANY(@versions::integer[]);

-- name: TemplateSetList :many
-- Newest first; position is 0 while the planner has not passed the version's event.
SELECT
    s.version,
    s.note,
    s.published_by,
    s.published_at,
    coalesce(min(p.position), 0)::bigint AS position
FROM template_sets AS s
LEFT JOIN template_publications AS p ON p.version = s.version
WHERE s.version < @before_version
GROUP BY s.version
ORDER BY s.version DESC
LIMIT @max_rows;

-- name: TemplateSetGet :one
SELECT
    s.version,
    s.source,
    s.note,
    s.published_by,
    s.published_at,
    coalesce((SELECT min(p.position) FROM template_publications AS p WHERE p.version = s.version), 0)::bigint AS position
FROM template_sets AS s
WHERE s.version = @version;

-- name: TemplatePublicationBefore :one
-- Returns the version in force for the event at the position: an announcement takes effect with the
-- next event.
SELECT version
FROM template_publications
WHERE position < @position
ORDER BY position DESC
LIMIT 1;

-- name: TemplatePublicationInsert :exec
INSERT INTO template_publications (position, version)
SELECT
    unnest(@positions::bigint[]),
    unnest(@versions::integer[])
ON CONFLICT DO NOTHING;

-- name: TemplateSetSeeded :one
-- Reports whether a set with this checksum was published before (known), and whether anybody except
-- one actor ever published a set (edited).
SELECT
    EXISTS (SELECT FROM template_sets AS s WHERE s.checksum = @checksum)::boolean AS known,
    EXISTS (SELECT FROM template_sets AS s WHERE s.published_by <> @published_by)::boolean AS edited;

-- name: TemplatePreviewEvent :one
-- Returns what a message about an event is rendered from: event_data has the event_fields of its data alone. No row for an unknown
-- event.
SELECT
    e.type,
    e.time,
    coalesce((
        SELECT jsonb_object_agg(f.key, f.value)
        FROM jsonb_each(e.data) AS f
        WHERE f.key = ANY(@event_fields::text[])
    ), '{}')::jsonb AS event_data,
    coalesce(c.time_zone, '')::text AS clinic_zone
FROM events AS e
LEFT JOIN clinics AS c ON c.id = e.clinic_id
WHERE e.event_id = @event_id;

-- name: TemplatePreviewClinic :one
-- Returns a clinic's zone and its brand, which is empty if it has none. No row for an unknown clinic.
SELECT
    c.time_zone,
    coalesce(b.display_name, '')::text AS display_name,
    coalesce(b.logo_url, '')::text AS logo_url,
    coalesce(b.color, '')::text AS color,
    coalesce(b.reply_to, '')::text AS reply_to
FROM clinics AS c
LEFT JOIN clinic_brands AS b ON b.clinic_id = c.id
WHERE c.id = @clinic_id;

-- name: DeliveryTemplate :one
-- Returns the template of a delivery and the version that it is rendered from. No row for an unknown delivery.
SELECT template, template_version
FROM deliveries
WHERE id = @id;
