-- What live sessions read when the events in memory no longer reach back far enough.

-- One page of what a session may see, by person, conversation, clinic and patient; the roles are checked by the reader. The row at
-- upto comes along whoever may see it: the page's cursor is made from it. So does the user's joining or leaving a care team,
-- which changes what they may see. There is no index on what is filtered by, so the caller bounds upto - after.
-- name: SocketPage :many
SELECT *
FROM events
WHERE position > @after
    AND position <= @upto
    AND (
        position = @upto
        OR person_id = @user_id::uuid
        OR (type IN ('care_team.joined', 'care_team.left') AND data ->> 'memberId' = (@user_id::uuid)::text)
        OR subject = ANY(@subjects::text[])
        OR (
            type = ANY(@types::text[])
            AND (
                clinic_id = ANY(@clinic_ids::uuid[])
                OR person_id = ANY(@patient_ids::uuid[])
            )
        )
    )
ORDER BY position
LIMIT @row_limit;
