-- Conversations, their participants, and their messages.

-- Returns the possible recipients of the patient's messages: the active members of their care team
-- at the clinic.
-- name: ConversationTeam :many
SELECT t.member_id
FROM care_team AS t
JOIN users AS u ON u.id = t.member_id
WHERE t.patient_id = @patient_id
    AND t.clinic_id = @clinic_id
    AND t.member_id <> t.patient_id
    AND u.status = 'active'
ORDER BY t.since, t.member_id;

-- name: ConversationInsert :one
INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
VALUES (@id, @clinic_id, @patient_id, @subject, 0, now(), now(), @created_by)
RETURNING *;

-- Every change of a conversation takes this lock first and reads the rest in later statements.
-- name: ConversationLock :one
SELECT *
FROM conversations
WHERE id = @id
FOR NO KEY UPDATE;

-- Returns the conversation for one person: whether they participate and are still on the care team
-- (always true for the patient), how far they have read, and the number of unread messages of
-- others, counted up to 100.
-- name: ConversationOf :one
SELECT
    sqlc.embed(c),
    (p.user_id IS NOT NULL AND (
        p.user_id = c.patient_id
        OR EXISTS (
            SELECT 1
            FROM care_team AS t
            WHERE t.patient_id = c.patient_id
                AND t.clinic_id = c.clinic_id
                AND t.member_id = p.user_id
        )
    ))::boolean AS takes_part,
    coalesce(p.read_number, 0)::bigint AS read_number,
    coalesce(p.sees_after, 0)::bigint AS sees_after,
    p.added_by,
    (
        SELECT count(*)
        FROM (
            SELECT 1
            FROM conversation_messages AS m
            WHERE m.conversation_id = c.id
                AND m.number > greatest(p.read_number, p.sees_after)
                AND m.author_id <> p.user_id
                AND m.withdrawn_at IS NULL
            LIMIT 100
        ) AS counted
    ) AS unread
FROM conversations AS c
LEFT JOIN conversation_participants AS p ON p.conversation_id = c.id AND p.user_id = @user_id AND p.left_at IS NULL
WHERE c.id = @id;

-- Returns the person's own conversations, newest activity first: as their patient, or from the care
-- team at the clinics where the person's role allows it.
-- name: ConversationList :many
SELECT
    sqlc.embed(c),
    p.read_number,
    (
        SELECT count(*)
        FROM (
            SELECT 1
            FROM conversation_messages AS m
            WHERE m.conversation_id = c.id
                AND m.number > greatest(p.read_number, p.sees_after)
                AND m.author_id <> p.user_id
                AND m.withdrawn_at IS NULL
            LIMIT 100
        ) AS counted
    ) AS unread
FROM conversation_participants AS p
JOIN conversations AS c ON c.id = p.conversation_id
WHERE p.user_id = @user_id
    AND p.left_at IS NULL
    AND (p.last_activity_at, p.conversation_id) < (@before_time::timestamptz, @before_id::uuid)
    AND (
        c.patient_id = p.user_id
        OR (
            c.clinic_id = ANY(@clinics::uuid[])
            AND EXISTS (
                SELECT 1
                FROM care_team AS t
                WHERE t.patient_id = c.patient_id
                    AND t.clinic_id = c.clinic_id
                    AND t.member_id = p.user_id
            )
        )
    )
ORDER BY p.last_activity_at DESC, p.conversation_id DESC
LIMIT @row_limit;

-- name: ConversationParticipants :many
SELECT
    conversation_id,
    user_id,
    joined_at,
    sees_after,
    added_by
FROM conversation_participants
WHERE conversation_id = ANY(@conversation_ids::uuid[])
    AND left_at IS NULL
ORDER BY joined_at, user_id;

-- Reports whether at least one participant from the clinic can read the patient's messages.
-- name: ConversationAttended :one
SELECT EXISTS (
    SELECT 1
    FROM conversations AS c
    JOIN conversation_participants AS p ON p.conversation_id = c.id
    JOIN care_team AS t ON t.patient_id = c.patient_id AND t.clinic_id = c.clinic_id AND t.member_id = p.user_id
    WHERE c.id = @id
        AND p.user_id <> c.patient_id
        AND p.left_at IS NULL
);

-- Returns the conversation's room for a participant who may join it: by a role at its clinic, or as
-- its patient.
-- name: ConversationRoom :one
SELECT
    c.clinic_id,
    c.patient_id,
    p.sees_after,
    (c.patient_id = @user_id)::boolean AS own
FROM conversations AS c
JOIN conversation_participants AS p ON p.conversation_id = c.id AND p.user_id = @user_id AND p.left_at IS NULL
JOIN users AS u ON u.id = p.user_id AND u.status = 'active' AND u.deceased_on IS NULL
WHERE c.id = @id
    AND (
        c.patient_id = p.user_id
        OR EXISTS (
            SELECT 1
            FROM care_team AS t
            JOIN memberships AS m ON m.user_id = t.member_id AND m.clinic_id = t.clinic_id
            WHERE t.patient_id = c.patient_id
                AND t.clinic_id = c.clinic_id
                AND t.member_id = p.user_id
                AND m.role = ANY(@roles::text[])
                AND m.revoked_at IS NULL
        )
    );

-- Adds people who do not participate yet. They are reminded of messages written from now on, and
-- see the messages after number sees_after.
-- name: ParticipantJoin :many
INSERT INTO conversation_participants AS p (conversation_id, user_id, joined_at, last_activity_at, reminded_number, sees_after, added_by)
SELECT
    c.id,
    joining.user_id,
    now(),
    c.last_activity_at,
    c.last_number,
    @sees_after::bigint,
    sqlc.narg(added_by)::text
FROM conversations AS c
CROSS JOIN unnest(@user_ids::uuid[]) AS joining (user_id)
WHERE c.id = @conversation_id
ON CONFLICT ON CONSTRAINT conversation_participants_pkey DO UPDATE
SET
    joined_at = excluded.joined_at,
    left_at = NULL,
    left_untold = false,
    last_activity_at = excluded.last_activity_at,
    reminded_at = NULL,
    reminded_number = excluded.reminded_number,
    sees_after = excluded.sees_after,
    added_by = excluded.added_by
WHERE p.left_at IS NOT NULL
RETURNING p.user_id;

-- Shows the history after number sees_after to an existing participant; it never hides messages
-- that they see.
-- name: ParticipantShow :exec
UPDATE conversation_participants
SET sees_after = @sees_after::bigint
WHERE conversation_id = @conversation_id
    AND user_id = @user_id
    AND left_at IS NULL
    AND sees_after > @sees_after::bigint;

-- Returns a participant: who added them, and whether they started the conversation and may still
-- participate in it, by their role and their place on the care team.
-- name: ParticipantStanding :one
SELECT
    p.added_by,
    (c.created_by = p.user_id::text AND EXISTS (
        SELECT 1
        FROM care_team AS t
        JOIN memberships AS m ON m.user_id = t.member_id AND m.clinic_id = t.clinic_id
        JOIN users AS u ON u.id = t.member_id
        WHERE t.patient_id = c.patient_id
            AND t.clinic_id = c.clinic_id
            AND t.member_id = p.user_id
            AND m.role = ANY(@roles::text[])
            AND m.revoked_at IS NULL
            AND u.status = 'active'
            AND u.deceased_on IS NULL
    ))::boolean AS began
FROM conversation_participants AS p
JOIN conversations AS c ON c.id = p.conversation_id
WHERE p.conversation_id = @conversation_id
    AND p.user_id = @user_id
    AND p.left_at IS NULL;

-- name: ParticipantLeave :one
UPDATE conversation_participants
SET
    left_at = now(),
    unread_since = NULL
WHERE conversation_id = @conversation_id
    AND user_id = @user_id
    AND left_at IS NULL
RETURNING user_id;

-- Returns participants who left with the care team and have no event yet, after skipping row_skip
-- rows. Concurrent callers get different rows.
-- name: ParticipantLeftTell :many
WITH untold AS (
    SELECT
        conversation_id,
        user_id
    FROM conversation_participants
    WHERE left_untold
    ORDER BY conversation_id, user_id
    LIMIT @row_limit
    OFFSET @row_skip
    FOR UPDATE SKIP LOCKED
)
UPDATE conversation_participants AS p
SET left_untold = false
FROM untold AS u
JOIN conversations AS c ON c.id = u.conversation_id
WHERE p.conversation_id = u.conversation_id
    AND p.user_id = u.user_id
RETURNING
    p.conversation_id,
    p.user_id,
    c.clinic_id,
    c.patient_id,
    c.last_number;

-- Writes the conversation's next message, and the time since which participants have unread
-- messages. The conversation is locked.
-- name: MessageWrite :one
WITH advanced AS (
    UPDATE conversations AS c
    SET
        last_number = c.last_number + 1,
        last_activity_at = greatest(c.last_activity_at, now())
    WHERE c.id = @conversation_id
    RETURNING
        c.id,
        c.last_number,
        c.last_activity_at
), awaiting AS (
    UPDATE conversation_participants AS p
    SET
        last_activity_at = a.last_activity_at,
        unread_since = CASE
            WHEN p.user_id <> @author_id AND p.reminded_at IS NULL THEN coalesce(p.unread_since, a.last_activity_at)
            ELSE p.unread_since
        END
    FROM advanced AS a
    WHERE p.conversation_id = a.id
        AND p.left_at IS NULL
)
INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at)
SELECT
    @id,
    a.id,
    a.last_number,
    @author_id,
    @text,
    a.last_activity_at
FROM advanced AS a
RETURNING *;

-- Inserts a conversation for another system's messages unless it exists.
-- name: ConversationImport :execrows
INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
VALUES (@id, @clinic_id, @patient_id, @subject, 0, @last_activity_at, now(), @created_by)
ON CONFLICT ON CONSTRAINT conversations_pkey DO NOTHING;

-- Inserts another system's messages as the conversation's next ones, in the given order and with
-- their original times. They are history: participants who had read everything have read these too,
-- and nobody is reminded. The conversation is locked.
-- name: MessageImport :many
WITH given AS (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@author_ids::uuid[]) AS author_id,
        unnest(@texts::text[]) AS text,
        unnest(@written_ats::timestamptz[]) AS written_at,
        generate_subscripts(@ids::uuid[], 1) AS place
), advanced AS (
    UPDATE conversations AS c
    SET
        last_number = c.last_number + (SELECT count(*) FROM given),
        last_activity_at = greatest(c.last_activity_at, (SELECT max(written_at) FROM given))
    WHERE c.id = @conversation_id
    RETURNING
        c.id,
        c.last_number,
        c.last_number - (SELECT count(*) FROM given) AS before,
        c.last_activity_at
), seen AS (
    UPDATE conversation_participants AS p
    SET
        last_activity_at = a.last_activity_at,
        read_number = CASE WHEN p.read_number = a.before THEN a.last_number ELSE p.read_number END
    FROM advanced AS a
    WHERE p.conversation_id = a.id
        AND p.left_at IS NULL
)
INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at)
SELECT
    g.id,
    a.id,
    a.before + g.place,
    g.author_id,
    g.text,
    g.written_at
FROM advanced AS a
CROSS JOIN given AS g
RETURNING *;

-- name: MessageGet :one
SELECT *
FROM conversation_messages
WHERE conversation_id = @conversation_id
    AND id = @id;

-- name: MessageList :many
SELECT *
FROM conversation_messages
WHERE conversation_id = @conversation_id
    AND number < @before
    AND number > @after
ORDER BY number DESC
LIMIT @row_limit;

-- name: MessageWithdraw :one
UPDATE conversation_messages
SET withdrawn_at = now()
WHERE id = @id
RETURNING *;

-- Moves reminders of a withdrawn message to the next unread one, if any. The conversation is
-- locked.
-- name: ParticipantRecount :exec
UPDATE conversation_participants AS p
SET unread_since = (
    SELECT m.written_at
    FROM conversation_messages AS m
    WHERE m.conversation_id = p.conversation_id
        AND m.number > greatest(p.read_number, p.reminded_number)
        AND m.author_id <> p.user_id
        AND m.withdrawn_at IS NULL
    ORDER BY m.number
    LIMIT 1
)
WHERE p.conversation_id = @conversation_id
    AND p.unread_since IS NOT NULL;

-- Moves the read mark forward, never back. The conversation is locked, so that a message being
-- written is not missed.
-- name: ParticipantRead :execrows
UPDATE conversation_participants AS p
SET
    read_number = @number,
    reminded_at = NULL,
    unread_since = (
        SELECT m.written_at
        FROM conversation_messages AS m
        WHERE m.conversation_id = p.conversation_id
            AND m.number > greatest(@number, p.reminded_number)
            AND m.author_id <> p.user_id
            AND m.withdrawn_at IS NULL
        ORDER BY m.number
        LIMIT 1
    )
WHERE p.conversation_id = @conversation_id
    AND p.user_id = @user_id
    AND p.left_at IS NULL
    AND p.read_number < @number;

-- Takes the participants with messages unread since the cutoff or earlier, each once, after
-- skipping row_skip rows, and returns their first unread message and the number of the newest. Deceased people are not reminded.
-- Concurrent callers get different rows.
-- name: ParticipantRemind :many
WITH due AS (
    SELECT
        p.conversation_id,
        p.user_id,
        greatest(p.read_number, p.reminded_number) AS known_number,
        c.clinic_id,
        c.last_number
    FROM conversation_participants AS p
    JOIN conversations AS c ON c.id = p.conversation_id
    WHERE p.unread_since <= @cutoff::timestamptz
        AND p.left_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM users AS u WHERE u.id = p.user_id AND u.deceased_on IS NOT NULL)
        AND (
            p.user_id = c.patient_id
            OR EXISTS (
                SELECT 1
                FROM care_team AS t
                WHERE t.patient_id = c.patient_id
                    AND t.clinic_id = c.clinic_id
                    AND t.member_id = p.user_id
            )
        )
    ORDER BY p.unread_since, p.conversation_id, p.user_id
    LIMIT @row_limit
    OFFSET @row_skip
    FOR UPDATE OF p SKIP LOCKED
), reminded AS (
    UPDATE conversation_participants AS p
    SET
        unread_since = NULL,
        reminded_at = now(),
        reminded_number = d.last_number
    FROM due AS d
    WHERE p.conversation_id = d.conversation_id
        AND p.user_id = d.user_id
    RETURNING
        d.conversation_id,
        d.user_id,
        d.known_number,
        d.clinic_id
)
SELECT
    r.conversation_id,
    r.user_id,
    r.clinic_id,
    coalesce(first.id, '00000000-0000-0000-0000-000000000000')::uuid AS message_id,
    coalesce(newest.number, 0)::bigint AS number
FROM reminded AS r
LEFT JOIN LATERAL (
    SELECT m.id
    FROM conversation_messages AS m
    WHERE m.conversation_id = r.conversation_id
        AND m.number > r.known_number
        AND m.author_id <> r.user_id
        AND m.withdrawn_at IS NULL
    ORDER BY m.number
    LIMIT 1
) AS first ON true
LEFT JOIN LATERAL (
    SELECT m.number
    FROM conversation_messages AS m
    WHERE m.conversation_id = r.conversation_id
        AND m.number > r.known_number
        AND m.author_id <> r.user_id
        AND m.withdrawn_at IS NULL
    ORDER BY m.number DESC
    LIMIT 1
) AS newest ON true;
