-- What was taken in from other systems: which of their resources became which thing here, so that taking the same in again
-- changes nothing and a change finds what it changes. Only carewire itself reads and writes it: a resource's id can be as
-- telling as a name.
-- +goose Up
SET lock_timeout = '5s';

-- hash is of what the resource was mapped to: a resource that maps to the same thing as before is unchanged. clinic_id,
-- person_id and doctor_id are what others that refer to the resource take from it; of a patient besides
-- where they were first seen, and by whom. They have no foreign keys: nothing is
-- ever deleted there, and an import writes this table as often as the things themselves.
CREATE TABLE import_identifiers (
    source text NOT NULL,
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    kind text NOT NULL,
    domain_id uuid NOT NULL,
    hash bytea NOT NULL,
    clinic_id uuid,
    person_id uuid,
    doctor_id uuid,
    seen_clinic_id uuid,
    seen_doctor_id uuid,
    imported_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_identifiers_pkey PRIMARY KEY (source, resource_type, resource_id),
    CONSTRAINT import_identifiers_source_length CHECK (char_length(source) BETWEEN 1 AND 100),
    CONSTRAINT import_identifiers_resource_id_length CHECK (char_length(resource_id) BETWEEN 1 AND 200),
    CONSTRAINT import_identifiers_hash_length CHECK (octet_length(hash) = 32)
);

-- Other names of a resource: the fullUrl that a bundle gives it, and the identifiers by which others look for it.
CREATE TABLE import_aliases (
    source text NOT NULL,
    resource_type text NOT NULL,
    alias text NOT NULL,
    resource_id text NOT NULL,
    CONSTRAINT import_aliases_pkey PRIMARY KEY (source, resource_type, alias)
);

-- Parts that another resource is made of (a report's observations, a prescription's medicine), which may stand anywhere in
-- the files: kept while an import runs, and only then. A crash may lose them; the next run writes them anew.
CREATE UNLOGGED TABLE import_parts (
    source text NOT NULL,
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    body json,
    used boolean NOT NULL,
    CONSTRAINT import_parts_pkey PRIMARY KEY (source, resource_type, resource_id)
);

ALTER TABLE import_identifiers ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_identifiers_app ON import_identifiers TO carewire_app USING ((SELECT scope_is('system')));
ALTER TABLE import_aliases ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_aliases_app ON import_aliases TO carewire_app USING ((SELECT scope_is('system')));
ALTER TABLE import_parts ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_parts_app ON import_parts TO carewire_app USING ((SELECT scope_is('system')));

GRANT SELECT, INSERT, UPDATE ON import_identifiers, import_aliases TO carewire_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_parts TO carewire_app;
