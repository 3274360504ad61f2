package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Acknowledged is the result of an acknowledgement.
type Acknowledged struct {
	AcknowledgedAt time.Time `json:"acknowledgedAt" format:"date-time" doc:"When the caller acknowledged it first."`
	// EscalationsEnded is 0 if it was acknowledged before.
	EscalationsEnded int32 `json:"escalationsEnded" doc:"The number of steps of the rule's escalation that do not follow any more because of this request."`
}

// Acknowledge acknowledges one of the actor's own notifications: it is marked as read, and the open
// steps of the escalations that it is about end in the same transaction. The acknowledgement of the
// person that the event is about ends them only if the rule notified nobody else. Repeating it
// changes nothing and returns the first time. It appends notification.acknowledged, and what marking
// as read appends. For a notification that does not exist or is another person's it returns
// care.NotFound, once that denial is in the audit trail.
func (s *Service) Acknowledge(ctx context.Context, cmd care.Command, id uuid.UUID) (a Acknowledged, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
		a, err = acknowledge(ctx, tx, cmd, id)
		return err
	})
	if err != nil {
		return Acknowledged{}, err
	}
	return a, nil
}

func acknowledge(ctx context.Context, tx pgx.Tx, cmd care.Command, id uuid.UUID) (Acknowledged, error) {
	q, person := db.New(tx), cmd.Actor.UserID
	notFound := func() error {
		refusal := care.Errorf(care.NotFound, "no such notification in your inbox")
		return outbox.Deny(cmd, refusal, care.SelfManage, care.Ref{Kind: "notification", ID: id}, nil, nil)
	}
	own, err := q.InboxOf(ctx, db.InboxOfParams{Ids: []uuid.UUID{id}, RecipientID: person})
	if err != nil {
		return Acknowledged{}, fmt.Errorf("find the notification: %w", err)
	}
	if len(own) == 0 {
		return Acknowledged{}, notFound()
	}
	// Before the rows, as in apply: another device of the person may be marking them.
	if err := q.InboxLock(ctx, "inbox/"+person.String()); err != nil {
		return Acknowledged{}, err
	}
	row, err := q.InboxAcknowledge(ctx, db.InboxAcknowledgeParams{ID: id, EventPosition: own[0].EventPosition})
	if errors.Is(err, pgx.ErrNoRows) {
		return Acknowledged{}, notFound()
	}
	if err != nil {
		return Acknowledged{}, fmt.Errorf("acknowledge the notification: %w", err)
	}
	a := Acknowledged{AcknowledgedAt: row.AcknowledgedAt.UTC(), EscalationsEnded: row.Ended}
	if !row.Changed {
		return a, nil
	}
	if _, _, err := apply(ctx, tx, cmd, Read, Target{IDs: []uuid.UUID{id}}, care.PageCursor{}); err != nil {
		return Acknowledged{}, fmt.Errorf("mark the notification as read: %w", err)
	}
	var clinicID *uuid.UUID
	if row.ClinicID != uuid.Nil {
		clinicID = &row.ClinicID
	}
	e := event.New(cmd, "notification.acknowledged", care.Ref{Kind: "notification", ID: id}, event.Acknowledgement{
		NotificationID: id, UserID: person, Rule: row.Rule, EscalationsEnded: row.Ended,
	}).About(cmd, person, clinicID)
	e.CauseID = &row.EventID
	return a, outbox.Append(ctx, tx, e)
}
