-- Invitations, and codes that prove an address.

-- name: InvitationInsert :one
INSERT INTO invitations (id, clinic_id, user_id, roles, created_by, expires_at)
VALUES (@id, @clinic_id, sqlc.narg(user_id), @roles, @created_by, now() + make_interval(secs => @ttl_seconds))
RETURNING *;

-- name: InvitationGet :one
SELECT *
FROM invitations
WHERE id = @id;

-- Whom an address belongs to: of the people whom the actor sees, or by an address that is verified. Nil for nobody.
-- name: Invitee :one
SELECT coalesce(
    (
        SELECT u.id
        FROM users AS u
        WHERE u.email = ANY(@emails::text[])
            AND u.status = 'active'
        ORDER BY u.email_verified DESC, u.id
        LIMIT 1
    ),
    invitee(@emails::text[]),
    '00000000-0000-0000-0000-000000000000'
)::uuid AS user_id;

-- The invitation that a token stands for, with its person's row locked: acceptances of one person take turns.
-- name: InvitationByToken :one
SELECT
    i.*,
    (i.expires_at <= now())::boolean AS expired
FROM invitation_tokens AS t
JOIN invitations AS i ON i.id = t.invitation_id
JOIN users AS u ON u.id = i.user_id
WHERE t.digest = @digest
FOR UPDATE OF u, i;

-- name: InvitationAccept :exec
UPDATE invitations
SET accepted_at = now()
WHERE id = @id;

-- name: IdentityGet :one
SELECT user_id
FROM identities
WHERE issuer = @issuer
    AND subject = @subject;

-- One subject of an issuer is one person's, and a person has one of each issuer. A program that proved itself is no person.
-- name: IdentityInsert :execrows
INSERT INTO identities (issuer, subject, user_id, proves_address)
SELECT
    @issuer::text,
    @subject::text,
    @user_id::uuid,
    @proves_address::boolean
WHERE NOT EXISTS (SELECT 1 FROM identities AS i WHERE i.issuer = @issuer AND i.user_id = @user_id)
    AND NOT EXISTS (
        SELECT 1
        FROM service_accounts AS s
        WHERE s.issuer = @issuer
            AND s.subject = @subject
            AND s.activated_at IS NOT NULL
            AND s.activation_digest IS NOT NULL
    )
ON CONFLICT ON CONSTRAINT identities_pkey DO NOTHING;

-- The invitation that a message is about: by its own id, or the newest of the person who was registered. Nothing comes back
-- when it is over.
-- name: InvitationTokenIssue :execrows
INSERT INTO invitation_tokens (digest, invitation_id)
SELECT
    @digest,
    i.id
FROM invitations AS i
WHERE i.user_id = @user_id::uuid
    AND (i.id = @id OR (@id = @user_id AND i.roles = '{}'))
    AND i.accepted_at IS NULL
    AND i.expires_at > now()
ORDER BY i.created_at DESC
LIMIT 1;

-- Asks for a code. The sixth within an hour, and one less than a minute after the last, come back with no row.
-- name: VerificationAsk :one
INSERT INTO contact_verifications AS v (id, user_id, channel, address)
VALUES (@id, @user_id, @channel, @address)
ON CONFLICT ON CONSTRAINT contact_verifications_pkey DO UPDATE
SET
    id = excluded.id,
    address = excluded.address,
    digest = NULL,
    attempts = 0,
    expires_at = NULL,
    requested_at = now(),
    asked = CASE WHEN v.window_at < now() - interval '1 hour' THEN 1 ELSE v.asked + 1 END,
    window_at = CASE WHEN v.window_at < now() - interval '1 hour' THEN now() ELSE v.window_at END
WHERE v.requested_at < now() - interval '1 minute'
    AND (v.asked < 5 OR v.window_at < now() - interval '1 hour')
RETURNING id;

-- Keeps the digest of the code that is about to be sent; nothing when the question is another by now, or the message goes
-- elsewhere than to the address that the code proves.
-- name: VerificationIssue :execrows
UPDATE contact_verifications
SET
    digest = @digest,
    expires_at = now() + make_interval(secs => @ttl_seconds)
WHERE id = @id
    AND user_id = @user_id
    AND channel = @channel;

-- Counts an attempt at a code that is still good.
-- name: VerificationAttempt :one
UPDATE contact_verifications
SET attempts = attempts + 1
WHERE user_id = @user_id
    AND channel = @channel
    AND attempts < 5
    AND digest IS NOT NULL
    AND expires_at > now()
RETURNING *;

-- name: VerificationDelete :exec
DELETE FROM contact_verifications
WHERE id = @id;

-- Questions that nobody answered; how often one asked counts for an hour.
-- name: VerificationDeleteOld :execrows
DELETE FROM contact_verifications
WHERE requested_at < now() - interval '1 day';

-- Tokens of invitations that are long over. Until then whoever follows one is told that it has expired.
-- name: InvitationTokenDeleteOld :execrows
DELETE FROM invitation_tokens AS t
USING invitations AS i
WHERE i.id = t.invitation_id
    AND i.expires_at < now() - interval '30 days';

-- name: ContactVerified :one
UPDATE users
SET
    version = version + 1,
    email_verified = email_verified OR @channel::text = 'email',
    phone_verified = phone_verified OR @channel::text = 'sms',
    whatsapp_verified = whatsapp_verified OR @channel::text = 'whatsapp',
    updated_at = now()
WHERE id = @id
RETURNING *;

-- name: ContactsWithdraw :exec
SELECT contacts_withdraw(@user_id::uuid, @channels::text[]);
