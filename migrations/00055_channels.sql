-- Addresses are found by their kind and channels are no longer listed in the schema, so that a new channel needs no migration.
-- +goose Up
SET lock_timeout = '5s';

-- user_address returns the person's address of the kind email, phone or whatsapp: an email address, or a number in E.164 form.
-- It is NULL where the person has none, and for the kinds devices and none, which have no column. The kinds are care.AddressKind.
CREATE FUNCTION user_address(u users, p_kind text) RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN CASE p_kind
    WHEN 'email' THEN u.email
    WHEN 'phone' THEN u.phone
    WHEN 'whatsapp' THEN u.whatsapp
END;

-- user_address_state returns 'deceased' for a person who has died, whatever the kind: planning, claim, fallback and redrive
-- send them nothing. Otherwise it returns 'verified' where the address is known to be the person's, 'unverified' where there is
-- one, and 'none' where there is none. A device was registered by the person, signed in; the kind none needs no address. Both
-- functions are plain expressions, which PostgreSQL inlines. contact_address and contact_state, by channel, remain for the
-- previous release.
CREATE FUNCTION user_address_state(u users, p_kind text, p_has_device boolean) RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN u.deceased_on IS NOT NULL THEN 'deceased'
    ELSE CASE p_kind
        WHEN 'email' THEN CASE WHEN u.email IS NULL THEN 'none' WHEN u.email_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'phone' THEN CASE WHEN u.phone IS NULL THEN 'none' WHEN u.phone_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'whatsapp' THEN CASE WHEN u.whatsapp IS NULL THEN 'none' WHEN u.whatsapp_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'devices' THEN CASE WHEN p_has_device THEN 'verified' ELSE 'none' END
        WHEN 'none' THEN 'verified'
        ELSE 'none'
    END
END;

REVOKE ALL ON FUNCTION user_address, user_address_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_address, user_address_state TO carewire_app, carewire_worker;

-- The form of a name only: which channels there are is the binary's to know (care.BuiltinChannels and those that the application
-- registers). It is not validated: every row that is there passed the narrower check.
ALTER TABLE deliveries ADD CONSTRAINT deliveries_channel_form CHECK (channel ~ '^[a-z][a-z0-9_]{0,30}$') NOT VALID;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_channel_known;
