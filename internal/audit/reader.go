// Package audit answers auditors from the ledger: the recorded events of a subject. Direct access
// to the database for auditors is defined by the schema audit (migrations) and the queries in
// sql/audit.
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

// The page sizes bound the memory and the time of one request.
const (
	defaultLimit = 100
	maxLimit     = 500
)

// subjectForm matches the outbox's constraint on subjects; idSubjectForm matches a subject with a
// UUID.
var (
	subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$`)
	thingForm   = regexp.MustCompile(`^[a-z][a-z0-9_]*/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Reader reads the audit trail. It is safe for concurrent use.
type Reader struct {
	pool *pgxpool.Pool
}

// New returns a Reader on a pool of the role carewire_app.
func New(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool}
}

// GetStory returns the events of a subject and, transitively, the events that they caused, oldest
// first: at most limit (1 to 500; 0 means 100) after the page that returned after. next is empty on
// the last page. Events that cannot be read completely are included, with Unreadable set. GetStory
// returns care.Forbidden to actors that the access table does not allow to read the audit trail,
// and audits it.
func (r *Reader) GetStory(ctx context.Context, actor care.Actor, subject, after string, limit int) (items []event.Event, next string, err error) {
	if !actor.MayOnPlatform(care.AuditRead) {
		return nil, "", r.deny(ctx, actor, subject)
	}
	subject = event.CanonicalIDs(subject)
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

// deny commits access.denied before it returns the answer. The event has the requested subject only
// if that is an id, because it may be a person's name; otherwise the subject is the actor.
func (r *Reader) deny(ctx context.Context, actor care.Actor, subject string) error {
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
		return fmt.Errorf("audit a denied access: %w", err)
	}
	return answer
}
