-- Whether and where a person can be reached on a channel, in one place for planning, claim, fallback and redrive. Both
-- functions are plain expressions, which PostgreSQL puts into the calling statement: they cost nothing beside it. Whether
-- somebody has a device is the caller's to look up, and is looked up for push only.
-- +goose Up
SET lock_timeout = '5s';

-- contact_address is the address itself: an email address for email, a phone number for sms, a WhatsApp number for whatsapp.
-- It is NULL where there is none, and for push and inapp, which go to devices and to the inbox.
CREATE FUNCTION contact_address(u users, p_channel text) RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN CASE p_channel
    WHEN 'email' THEN u.email
    WHEN 'sms' THEN u.phone
    WHEN 'whatsapp' THEN u.whatsapp
END;

-- contact_state is 'verified' where the address is known to be the person's, 'unverified' where there is one, else 'none'. A
-- device was registered by the person, signed in; the inbox is everybody's own.
CREATE FUNCTION contact_state(u users, p_channel text, p_has_device boolean) RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN CASE p_channel
    WHEN 'email' THEN CASE WHEN u.email_verified THEN 'verified' ELSE 'unverified' END
    WHEN 'sms' THEN CASE WHEN u.phone IS NULL THEN 'none' WHEN u.phone_verified THEN 'verified' ELSE 'unverified' END
    WHEN 'whatsapp' THEN CASE WHEN u.whatsapp IS NULL THEN 'none' WHEN u.whatsapp_verified THEN 'verified' ELSE 'unverified' END
    WHEN 'push' THEN CASE WHEN p_has_device THEN 'verified' ELSE 'none' END
    WHEN 'inapp' THEN 'verified'
    ELSE 'none'
END;

-- Whether the rule lets an address be used that is not verified yet: its fallback and a redrive may then use one, too.
ALTER TABLE deliveries ADD COLUMN unverified boolean NOT NULL DEFAULT false;

REVOKE ALL ON FUNCTION contact_address, contact_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION contact_address, contact_state TO carewire_app, carewire_worker;
