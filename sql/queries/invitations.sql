-- Invitations, and codes that verify an address.

-- name: InvitationInsert :one
INSERT INTO invitations (id, clinic_id, user_id, roles, created_by, expires_at)
VALUES (@id, @clinic_id, sqlc.narg(user_id), @roles, @created_by, now() + make_interval(secs => @ttl_seconds))
RETURNING *;

-- name: InvitationGet :one
SELECT *
FROM invitations
WHERE id = @id;

-- Returns the owner of an address: among the people in the actor's scope, or by a verified address.
-- NULL if there is none.
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

-- Returns the invitation of a token, with its person's row locked: acceptances of one person are
-- serialized.
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

-- One subject of an issuer belongs to one person, and a person has one subject per issuer. An
-- activated service account is not a person.
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

-- Returns the invitation of a message: by its own id, or the newest of the person who was
-- registered. No row if it has ended.
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

-- Requests a code. Returns no row for the sixth request within an hour, or less than a minute after
-- the previous one.
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

-- Returns the seconds until VerificationAsk succeeds again.
-- name: VerificationAskWait :one
SELECT ceil(least(greatest(extract(EPOCH FROM CASE
        WHEN asked >= 5 THEN greatest(window_at + interval '1 hour', requested_at + interval '1 minute')
        ELSE requested_at + interval '1 minute'
    END - now()), 1), 3600))::integer AS seconds
FROM contact_verifications
WHERE user_id = @user_id
    AND channel = @channel;

-- Counts a request against a limit for an hour. Returns no row above the limit. The row is locked
-- until the transaction ends, so that the count is exact.
-- name: VerificationLimitCount :one
INSERT INTO verification_limits AS l (kind, key)
VALUES (@kind, @key)
ON CONFLICT ON CONSTRAINT verification_limits_pkey DO UPDATE
SET
    asked = CASE WHEN l.window_at <= now() - interval '1 hour' THEN 1 ELSE l.asked + 1 END,
    window_at = CASE WHEN l.window_at <= now() - interval '1 hour' THEN now() ELSE l.window_at END
WHERE l.asked < @max_asked::integer
    OR l.window_at <= now() - interval '1 hour'
RETURNING asked;

-- Returns the seconds until the limit's window ends. A window may have begun after this transaction
-- did, which is no reason to wait longer.
-- name: VerificationLimitWait :one
SELECT ceil(least(greatest(extract(EPOCH FROM window_at + interval '1 hour' - now()), 1), 3600))::integer AS seconds
FROM verification_limits
WHERE kind = @kind
    AND key = @key;

-- name: VerificationLimitDeleteOld :execrows
DELETE FROM verification_limits
WHERE window_at < now() - interval '1 hour';

-- Stores the digest of the code that is about to be sent. Returns no row if a newer request exists,
-- or if the message goes to an address other than the one to verify.
-- name: VerificationIssue :execrows
UPDATE contact_verifications
SET
    digest = @digest,
    expires_at = now() + make_interval(secs => @ttl_seconds)
WHERE id = @id
    AND user_id = @user_id
    AND channel = @channel;

-- Counts an attempt at a valid code.
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

-- Deletes unanswered requests; the number of requests counts for an hour.
-- name: VerificationDeleteOld :execrows
DELETE FROM contact_verifications
WHERE requested_at < now() - interval '1 day';

-- Deletes tokens of invitations that ended long ago. Until then a visitor of the link learns that
-- it has expired.
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
