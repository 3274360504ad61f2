package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// MaxCounted is the largest number of unread notifications that is counted, so that a large inbox
// costs no more than this: each page and each change counts.
const MaxCounted = 500

// Item is a notification in its recipient's inbox.
type Item struct {
	ID        uuid.UUID  `json:"id" format:"uuid"`
	EventID   uuid.UUID  `json:"eventId" format:"uuid"`
	EventType string     `json:"eventType" example:"ehr.lab_report.created"`
	Position  int64      `json:"position" doc:"The event's position in the ledger."`
	Subject   string     `json:"subject" doc:"The subject of the event: kind/id."`
	ClinicID  *uuid.UUID `json:"clinicId,omitempty" format:"uuid"`
	Category  string     `json:"category"`
	Priority  string     `json:"priority"`
	CreatedAt time.Time  `json:"createdAt" format:"date-time"`
	SeenAt    *time.Time `json:"seenAt,omitempty" format:"date-time" doc:"When it was first shown in a list."`
	ReadAt    *time.Time `json:"readAt,omitempty" format:"date-time" doc:"When it was read."`
	// AcknowledgedAt is nil if the person has not acknowledged it.
	AcknowledgedAt *time.Time `json:"acknowledgedAt,omitempty" format:"date-time" doc:"When the recipient acknowledged it."`
	// NeedsAcknowledgement is false once somebody else has acknowledged theirs.
	NeedsAcknowledgement bool       `json:"needsAcknowledgement,omitempty" doc:"Whether others are told unless somebody acknowledges it; left out once a colleague has."`
	ArchivedAt           *time.Time `json:"archivedAt,omitempty" format:"date-time" doc:"When it was archived; for one that the recipient's preference keeps out of the inbox, when it was created."`
}

// Counts are the absolute counts of an inbox.
type Counts struct {
	Unread int64 `json:"unread" doc:"The number of unread notifications; 500 means 500 or more."`
	Unseen int64 `json:"unseen" doc:"The number of these that the person has not seen."`
}

// Page is one page of an inbox. Next is the cursor of the next page, or empty on the last one.
type Page struct {
	Items []Item
	Next  string
	Counts
}

// Filter selects notifications; an empty field selects all.
type Filter struct {
	// Unread selects those that were not read, and Unseen those that were neither seen nor read.
	Unread, Unseen bool
	// Unacknowledged selects those that still have to be acknowledged, also from the archive. It
	// excludes the other marks.
	Unacknowledged bool
	// Archived selects the archived ones instead of those in the inbox. It excludes the other two.
	Archived bool
	Category string
	ClinicID uuid.UUID
	// Before is the cursor of the previous page; care.AfterAll begins with the newest.
	Before care.PageCursor
	// Limit is the largest number of notifications returned.
	Limit int
}

// Service reads and changes inboxes, in transactions that see what the actor may see. It is safe for
// concurrent use.
type Service struct {
	writer *outbox.Writer
}

// New returns a Service that reads and writes through the writer's pool.
func New(writer *outbox.Writer) *Service { return &Service{writer} }

// List returns the actor's own notifications, newest first, and the counts of the whole inbox. With a
// filter, a page may be short, or empty, and have a next one: at most 1,000 notifications are looked at
// for it. The error is care.Invalid for Archived together with Unread or Unseen, and for Unacknowledged together with one
// of them.
func (s *Service) List(ctx context.Context, actor care.Actor, f Filter) (Page, error) {
	if f.Archived && (f.Unread || f.Unseen) {
		return Page{}, care.InvalidField("archived", "cannot be combined with unread or unseen: an archived notification counts as neither")
	}
	if f.Unacknowledged && (f.Archived || f.Unread || f.Unseen) {
		return Page{}, care.InvalidField("unacknowledged", "cannot be combined with unread, unseen or archived")
	}
	var rows []db.InboxListRow
	var page Page
	err := s.writer.ReadInBatch(ctx, actor, func(b *outbox.ReadBatch) {
		b.Queue(f.list(ctx, actor.UserID, &rows))
		b.Queue(count(ctx, actor.UserID, &page.Counts))
	})
	if err != nil {
		return Page{}, fmt.Errorf("read inbox: %w", err)
	}
	rows, next := care.PaginateFiltered(rows, f.Limit, func(r db.InboxListRow) (care.Place, care.PageCursor) {
		return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.CreatedAt, ID: r.ID}
	})
	page.Next = next.String()
	page.Items = make([]Item, len(rows))
	for i, r := range rows {
		page.Items[i] = Item{
			ID: r.ID, EventID: r.EventID, EventType: r.EventType, Position: r.EventPosition, Subject: r.Subject, ClinicID: r.ClinicID,
			Category: r.Category, Priority: r.Priority, CreatedAt: r.CreatedAt.UTC(), SeenAt: r.SeenAt, ReadAt: r.ReadAt, ArchivedAt: r.ArchivedAt,
			AcknowledgedAt: r.AcknowledgedAt, NeedsAcknowledgement: r.NeedsAcknowledgement,
		}
		if r.SeenAt == nil { // What was read counts as seen.
			page.Items[i].SeenAt = r.ReadAt
		}
	}
	return page, nil
}

// list returns the query that has an index for the filter, and reads rows.
func (f Filter) list(ctx context.Context, person uuid.UUID, rows *[]db.InboxListRow) outbox.Statement {
	limit := int32(f.Limit) + 1 // The caller bounds it.
	return func(q *db.Queries) (read func() error) {
		switch {
		case f.Unacknowledged:
			return into(rows, q.InboxListUnacknowledged(ctx, []db.InboxListUnacknowledgedParams{{
				RecipientID: person, Category: f.Category, ClinicID: f.ClinicID, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: limit,
			}}).Query, func(r db.InboxListUnacknowledgedRow) db.InboxListRow { return db.InboxListRow(r) })
		case f.Archived:
			return into(rows, q.InboxListArchived(ctx, []db.InboxListArchivedParams{{
				RecipientID: person, Category: f.Category, ClinicID: f.ClinicID, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: limit,
			}}).Query, func(r db.InboxListArchivedRow) db.InboxListRow { return db.InboxListRow(r) })
		case f.Unread || f.Unseen:
			return into(rows, q.InboxListUnread(ctx, []db.InboxListUnreadParams{{
				RecipientID: person, Unseen: f.Unseen, Category: f.Category, ClinicID: f.ClinicID, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: limit,
			}}).Query, func(r db.InboxListUnreadRow) db.InboxListRow { return db.InboxListRow(r) })
		default:
			return into(rows, q.InboxList(ctx, []db.InboxListParams{{
				RecipientID: person, Category: f.Category, ClinicID: f.ClinicID, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: limit,
			}}).Query, func(r db.InboxListRow) db.InboxListRow { return r })
		}
	}
}

// into returns the function that reads the result of a query, whose rows have the same columns.
func into[R any](rows *[]db.InboxListRow, query func(func(int, []R, error)), convert func(R) db.InboxListRow) (read func() error) {
	return func() (err error) {
		query(func(_ int, found []R, failed error) { *rows, err = postgres.ConvertRows(found, convert), failed })
		return err
	}
}

// GetCounts returns the counts of the actor's inbox.
func (s *Service) GetCounts(ctx context.Context, actor care.Actor) (c Counts, err error) {
	err = s.writer.ReadInBatch(ctx, actor, func(b *outbox.ReadBatch) { b.Queue(count(ctx, actor.UserID, &c)) })
	if err != nil {
		return Counts{}, fmt.Errorf("count inbox: %w", err)
	}
	return c, nil
}

// count returns the query that reads the counts of a person's inbox.
func count(ctx context.Context, person uuid.UUID, c *Counts) outbox.Statement {
	return func(q *db.Queries) (read func() error) {
		counted := q.InboxCounts(ctx, []db.InboxCountsParams{{RecipientID: person, Most: MaxCounted}})
		return func() (err error) {
			counted.QueryRow(func(_ int, row db.InboxCountsRow, failed error) { *c, err = Counts(row), failed })
			return err
		}
	}
}
