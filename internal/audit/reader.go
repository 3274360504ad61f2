// Package audit answers auditors from the ledger: the recorded events by subject, person, actor,
// type and time, and the names behind the ids. Direct access to the database for auditors is defined
// by the schema audit (migrations) and the queries in sql/audit; both read the same events, selected
// by the SQL function audit.positions.
//
// Reading the audit trail is audited as well: each page, and each look-up of names, commits an
// audit.read before it is returned.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// commandLine is the actor of the command line. Whoever can run a command on the database may read
// all of it anyway; the events say that it was a command.
const commandLine = "system:cli"

// Reader reads the audit trail. It is safe for concurrent use.
type Reader struct {
	pool *pgxpool.Pool
}

// New returns a Reader on a pool of the role carewire_app.
func New(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool}
}

// Page is one page of the audit trail, oldest first. Next is the After of the next page; it is empty
// on the last one.
type Page struct {
	Items []Entry
	Next  string
}

// ListEvents returns a page of the events that the filter selects, oldest first, with their clients.
// All pages of a list end at the event that was the ledger's last when the first one was read.
// Events that cannot be read completely are included, with Unreadable set.
//
// ListEvents returns care.Invalid by field, and care.Forbidden to actors that the access table does
// not allow to read the audit trail, which is audited.
func (r *Reader) ListEvents(ctx context.Context, cmd care.Command, f Filter) (Page, error) {
	if !mayRead(cmd.Actor) {
		return Page{}, r.deny(ctx, cmd, f.Subject)
	}
	params, err := f.check()
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = r.inTx(ctx, cmd, func(tx pgx.Tx, q *db.Queries) error {
		page = Page{Items: []Entry{}}
		if params.Until == 0 {
			if params.Until, err = q.AuditHead(ctx); err != nil {
				return fmt.Errorf("read the ledger's head: %w", err)
			}
		}
		params.RowLimit = int32(f.Limit) + 1
		items, err := ledger.Events(tx, func(q *db.Queries) ([]db.Event, error) { return q.AuditList(ctx, params) })
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		items, page.Next = care.Paginate(items, f.Limit, func(last event.Event) string {
			return strconv.FormatInt(last.Position, 10) + "." + strconv.FormatInt(params.Until, 10)
		})
		if page.Items, err = withClients(ctx, q, items); err != nil {
			return err
		}
		e, err := f.readEvent(ctx, q, cmd, len(items))
		if err != nil {
			return err
		}
		return outbox.Append(ctx, tx, e)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// withClients returns the events with the clients that are still stored.
func withClients(ctx context.Context, q *db.Queries, items []event.Event) ([]Entry, error) {
	entries, positions := make([]Entry, len(items)), make([]int64, len(items))
	for i := range items {
		entries[i], positions[i] = Entry{Event: items[i]}, items[i].Position
	}
	rows, err := q.AuditClients(ctx, positions)
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	for _, row := range rows {
		if i, ok := slices.BinarySearch(positions, row.Position); ok {
			entries[i].ClientAddress, entries[i].ClientAgent = row.Address, care.Agent(row.Agent)
		}
	}
	return entries, nil
}

// readEvent returns the event that audits the page itself. Its subject is the reader and not the
// requested subject, so that reading a story does not make it longer.
func (f *Filter) readEvent(ctx context.Context, q *db.Queries, cmd care.Command, count int) (event.Event, error) {
	data := event.AuditRead{UserID: care.NonZero(f.PersonID), Kind: "event", Filters: f.names(), Count: int64(count)}
	if kind, id, ok := strings.Cut(f.Subject, "/"); ok && thingForm.MatchString(f.Subject) {
		data.Subject = f.Subject
		if data.UserID == nil {
			owner, err := q.SubjectOwner(ctx, db.SubjectOwnerParams{Kind: kind, ID: uuid.MustParse(id)})
			if err != nil {
				return event.Event{}, fmt.Errorf("look up the subject's owner: %w", err)
			}
			data.UserID = care.NonZero(owner.PersonID)
		}
	}
	return readOf(cmd, data), nil
}

func readOf(cmd care.Command, data event.AuditRead) event.Event {
	e := event.New(cmd, "audit.read", readerRef(cmd.Actor), data)
	if cmd.Actor.UserID == uuid.Nil {
		e.Subject = "audit/trail"
	}
	e.PersonID = data.UserID
	return e
}

func readerRef(actor care.Actor) care.Ref { return care.Ref{Kind: "user", ID: actor.UserID} }

func mayRead(actor care.Actor) bool {
	return actor.MayOnPlatform(care.AuditRead) || (actor.IsSystem() && actor.ID == commandLine)
}

// inTx runs fn in a transaction that sees everybody's names and clients. The service itself reads
// them, on behalf of its caller.
func (r *Reader) inTx(ctx context.Context, cmd care.Command, fn func(tx pgx.Tx, q *db.Queries) error) error {
	return postgres.InTxAs(ctx, r.pool, care.SystemActor("audit"), func(tx pgx.Tx) error {
		if err := postgres.CheckActorVersion(ctx, tx, cmd.Actor); err != nil {
			return err
		}
		return fn(tx, db.New(tx))
	})
}

// deny commits access.denied before it returns the answer. The event has the requested subject only
// if that is an id, because it may be a person's name; otherwise the subject is the actor.
func (r *Reader) deny(ctx context.Context, cmd care.Command, subject string) error {
	answer := care.Errorf(care.Forbidden, "the audit trail is for auditors")
	e := event.New(cmd, "access.denied", readerRef(cmd.Actor), event.AccessDenied{
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
