-- How a clinic's messages look: the name that it chose for them, a logo, a color and the address for answers. A clinic without a
-- row, and every empty column, has the look of the service.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE clinic_brands (
    clinic_id uuid NOT NULL,
    version bigint NOT NULL,
    display_name text NOT NULL DEFAULT '',
    logo_url text NOT NULL DEFAULT '',
    color text NOT NULL DEFAULT '',
    reply_to text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT clinic_brands_pkey PRIMARY KEY (clinic_id),
    CONSTRAINT clinic_brands_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT clinic_brands_version_positive CHECK (version > 0),
    CONSTRAINT clinic_brands_display_name_length CHECK (length(display_name) <= 60),
    CONSTRAINT clinic_brands_logo_url_https CHECK (logo_url = '' OR (logo_url LIKE 'https://%' AND length(logo_url) <= 500)),
    CONSTRAINT clinic_brands_color_form CHECK (color = '' OR color ~ '^#[0-9a-f]{6}$'),
    CONSTRAINT clinic_brands_reply_to_length CHECK (length(reply_to) <= 254)
);

-- As clinic_settings: nothing here is about a person, so there is no policy.
GRANT SELECT, INSERT, UPDATE ON clinic_brands TO carewire_app;
GRANT SELECT ON clinic_brands TO carewire_worker;
