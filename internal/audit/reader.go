// Package audit answers auditors from the ledger: the story of a subject, as it was recorded. What an auditor may ask of
// the database itself stands in the schema audit (migrations) and as ready queries in sql/audit.
package audit

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	defaultLimit = 100
	maxLimit     = 500
)

// subjectForm is the form that the outbox demands of a subject; thingForm is that of a thing with an id.
var (
	subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$`)
	thingForm   = regexp.MustCompile(`^[a-z][a-z0-9_]*/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Reader reads the audit trail. It is safe for concurrent use.
type Reader struct {
	pool *pgxpool.Pool
}

// New makes a reader on a pool of the role carewire_app.
func New(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool}
}

// GetStory gives the events of a subject and those that they caused, and so on, the oldest first: at most limit (1 to 500; 0
// means 100) behind the page that gave after. next is empty on the last page. An event that cannot be read whole is among
// them, Unreadable. Only who the access table lets read the
// audit trail is answered; anybody else is care.Forbidden, which is audited.
func (r *Reader) GetStory(ctx context.Context, actor care.Actor, subject, after string, limit int) (items []event.Event, next string, err error) {
	if !actor.MayOnPlatform(care.AuditRead) {
		return nil, "", r.refuse(ctx, actor, subject)
	}
	from, limit, err := check(subject, after, limit)
	if err != nil {
		return nil, "", err
	}
	items, err = ledger.Events(r.pool, func(q *db.Queries) ([]db.Event, error) {
		return q.AuditStory(ctx, db.AuditStoryParams{Subject: subject, After: from, RowLimit: int32(limit) + 1})
	})
	if err != nil {
		return nil, "", fmt.Errorf("read story: %w", err)
	}
	if items == nil {
		items = []event.Event{}
	}
	items, next = care.Paginate(items, limit, func(last event.Event) string { return strconv.FormatInt(last.Position, 10) })
	return items, next, nil
}

func check(subject, after string, limit int) (from int64, bounded int, err error) {
	var p care.FieldErrors
	if !subjectForm.MatchString(subject) {
		p.Add("subject", "must be a kind and an id, such as lab_report/0198c2f4-…")
	}
	if after != "" {
		if from, err = strconv.ParseInt(after, 10, 64); err != nil || from < 0 {
			p.InvalidCursor()
		}
	}
	return from, p.Limit(limit, defaultLimit, maxLimit), p.Err()
}

// refuse commits access.denied before the answer is given. The subject stands on the event only where it is an id, as
// somebody may ask for a name; else the actor's own stands for it.
func (r *Reader) refuse(ctx context.Context, actor care.Actor, subject string) error {
	answer := care.Errorf(care.Forbidden, "the audit trail is for auditors")
	cmd := care.Command{Actor: actor}
	e := event.New(cmd, "access.denied", care.Ref{Kind: "user", ID: actor.UserID}, event.AccessDenied{
		Action: string(care.AuditRead), Code: string(answer.Code),
	})
	if thingForm.MatchString(subject) {
		e.Subject = subject
	}
	err := postgres.InTx(ctx, r.pool, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, e) })
	if err != nil {
		return fmt.Errorf("audit a refusal: %w", err)
	}
	return answer
}
