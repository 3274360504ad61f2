-- The address of a source's server is part of the identity of its resources, and an identifier may belong to several of them.
-- +goose Up
SET lock_timeout = '5s';

-- The address of the server whose resources a source's ids belong to: the first one that an import has seen. Resources of other
-- servers have their whole address as their id in import_identifiers.
CREATE TABLE import_sources (
    source text NOT NULL,
    base_url text NOT NULL,
    CONSTRAINT import_sources_pkey PRIMARY KEY (source),
    CONSTRAINT import_sources_source_length CHECK (char_length(source) BETWEEN 1 AND 100),
    CONSTRAINT import_sources_base_url_length CHECK (char_length(base_url) BETWEEN 1 AND 2000)
);

-- Other names of a resource, instead of import_aliases: one that several resources have is ambiguous. An identifier is
-- "system|value", and "*|value" for a reference that names no system. import_aliases remains for the previous release.
CREATE TABLE import_resource_aliases (
    source text NOT NULL,
    resource_type text NOT NULL,
    alias text NOT NULL,
    resource_id text NOT NULL,
    CONSTRAINT import_resource_aliases_pkey PRIMARY KEY (source, resource_type, alias, resource_id)
);
CREATE INDEX import_resource_aliases_resource_idx ON import_resource_aliases (source, resource_type, resource_id);

INSERT INTO import_resource_aliases (source, resource_type, alias, resource_id)
SELECT
    a.source,
    a.resource_type,
    name.alias,
    a.resource_id
FROM import_aliases AS a
CROSS JOIN LATERAL (
    SELECT a.alias
    UNION
    SELECT '*' || substr(a.alias, position('|' IN a.alias))
    WHERE position('|' IN a.alias) > 0
) AS name;

ALTER TABLE import_sources ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_sources_app ON import_sources TO carewire_app USING ((SELECT scope_is('system')));
ALTER TABLE import_resource_aliases ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_resource_aliases_app ON import_resource_aliases TO carewire_app USING ((SELECT scope_is('system')));

GRANT SELECT, INSERT ON import_sources TO carewire_app;
GRANT SELECT, INSERT, DELETE ON import_resource_aliases TO carewire_app;
