package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// maxUnread is the largest number of unread notifications that is counted, so that a large inbox
// costs no more than this.
const maxUnread = 1000

// Notification is one person's notification of one event.
type Notification struct {
	ID          uuid.UUID  `json:"id" format:"uuid"`
	EventID     uuid.UUID  `json:"eventId" format:"uuid"`
	EventType   string     `json:"eventType" example:"ehr.lab_report.created"`
	Position    int64      `json:"position" doc:"The event's position in the ledger."`
	Subject     string     `json:"subject" doc:"The subject of the event: kind/id."`
	RecipientID uuid.UUID  `json:"recipientId" format:"uuid"`
	ClinicID    *uuid.UUID `json:"clinicId,omitempty" format:"uuid"`
	Category    string     `json:"category"`
	Priority    string     `json:"priority"`
	Rule        string     `json:"rule" doc:"The rule that matched the event."`
	CreatedAt   time.Time  `json:"createdAt" format:"date-time"`
	ReadAt      *time.Time `json:"readAt,omitempty" format:"date-time"`
	// PlanKey is the rule and its time, for a notification that a schedule planned.
	PlanKey string     `json:"planKey,omitempty" example:"appointment-reminder/24h-before-startsAt" doc:"The rule and the time of its schedule, for a notification that was planned for later."`
	DueAt   *time.Time `json:"dueAt,omitempty" format:"date-time" doc:"When it is sent, or decided again; left out if nothing waits."`
	// AcknowledgedAt is nil if the recipient has not acknowledged it.
	AcknowledgedAt *time.Time `json:"acknowledgedAt,omitempty" format:"date-time" doc:"When the recipient acknowledged it."`
	// NeedsAcknowledgement is false once somebody else has acknowledged theirs.
	NeedsAcknowledgement bool       `json:"needsAcknowledgement,omitempty" doc:"Whether others are told unless somebody acknowledges it; left out once a colleague has."`
	Deliveries           []Delivery `json:"deliveries"`
}

// Delivery is the state of one message of a notification.
type Delivery struct {
	ID                uuid.UUID  `json:"id" format:"uuid"`
	Channel           string     `json:"channel"`
	State             string     `json:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown"`
	Reason            string     `json:"reason,omitempty"`
	Attempt           int32      `json:"attempt" doc:"The number of calls of the provider."`
	PossibleDuplicate bool       `json:"possibleDuplicate,omitempty"`
	Provider          string     `json:"provider,omitempty"`
	ErrorCode         string     `json:"errorCode,omitempty"`
	CreatedAt         time.Time  `json:"createdAt" format:"date-time"`
	UpdatedAt         time.Time  `json:"updatedAt" format:"date-time"`
	SentAt            *time.Time `json:"sentAt,omitempty" format:"date-time"`
	NotBefore         *time.Time `json:"notBefore,omitempty" format:"date-time" doc:"The end of the recipient's quiet hours, until which the message waits."`
}

// NotificationPage is one page of a list of notifications. Next is the cursor of the next page, or
// empty on the last one.
type NotificationPage struct {
	Items []Notification
	Next  string
}

// NotificationFilter selects notifications; an empty field selects all.
type NotificationFilter struct {
	Unread bool
	// Unacknowledged selects those that still have to be acknowledged.
	Unacknowledged bool
	State, Channel string
	RecipientID    uuid.UUID
	// From and To bound when a notification was created: not before From, before To.
	From, To time.Time
	// Before is the cursor of the previous page; care.AfterAll begins with the newest.
	Before care.PageCursor
	// Limit is the largest number of notifications returned.
	Limit int
}

// Inbox reads notifications, in transactions that see what the actor may see. It is safe for use by
// many goroutines.
type Inbox struct {
	writer *outbox.Writer
}

// NewInbox returns an Inbox that reads through the writer's pool.
func NewInbox(writer *outbox.Writer) *Inbox { return &Inbox{writer} }

func (i *Inbox) read(ctx context.Context, actor care.Actor, fn func(q *db.Queries) error) error {
	return i.writer.Read(ctx, actor, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.PlanForAnyValues(ctx); err != nil {
			return err
		}
		return fn(q)
	})
}

// ListOwn returns the actor's own notifications, newest first, and the number of unread ones,
// counted up to 1000. Of the filter it uses Unread, Unacknowledged, State, Before and Limit. With the
// State planned or cancelled it returns those with a message in that state, also notifications that
// are planned for later and not in the inbox yet, and counts no unread ones. With Unread, a page may
// be short although there is a next one, as in ListAll.
func (i *Inbox) ListOwn(ctx context.Context, actor care.Actor, f NotificationFilter) (page NotificationPage, unread int64, err error) {
	if f.State != "" {
		page, err = i.listPlans(ctx, actor, f)
		return page, 0, err
	}
	var rows []db.NotificationListRow
	err = i.read(ctx, actor, func(q *db.Queries) (err error) {
		if f.Unacknowledged {
			var found []db.NotificationListUnacknowledgedRow
			found, err = q.NotificationListUnacknowledged(ctx, db.NotificationListUnacknowledgedParams{
				RecipientID: actor.UserID, Unread: f.Unread, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: int32(f.Limit) + 1,
			})
			rows = postgres.ConvertRows(found, func(r db.NotificationListUnacknowledgedRow) db.NotificationListRow { return db.NotificationListRow(r) })
		} else {
			rows, err = listOfRecipient(ctx, q, NotificationFilter{RecipientID: actor.UserID, Unread: f.Unread, Before: f.Before, Limit: f.Limit}, false)
		}
		if err != nil {
			return err
		}
		unread, err = q.NotificationUnread(ctx, db.NotificationUnreadParams{RecipientID: actor.UserID, Most: maxUnread})
		return err
	})
	if err != nil {
		return NotificationPage{}, 0, fmt.Errorf("read inbox: %w", err)
	}
	page, err = i.page(ctx, actor, rows, f.Limit)
	return page, unread, err
}

// listPlans returns those of the actor's notifications that are planned, or were cancelled before
// their time.
func (i *Inbox) listPlans(ctx context.Context, actor care.Actor, f NotificationFilter) (NotificationPage, error) {
	var found []db.NotificationListPlansRow
	err := i.read(ctx, actor, func(q *db.Queries) (err error) {
		found, err = q.NotificationListPlans(ctx, db.NotificationListPlansParams{
			State: f.State, RecipientID: actor.UserID, Unread: f.Unread, BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: int32(f.Limit) + 1,
		})
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read inbox by state: %w", err)
	}
	return i.pageInState(ctx, actor, postgres.ConvertRows(found, func(r db.NotificationListPlansRow) db.NotificationListInStateRow {
		return db.NotificationListInStateRow(r)
	}), f.Limit)
}

// ListAll returns the notifications of all recipients, newest first. It is for operators. With a
// State other than sent it returns those with a delivery in that state, ordered by that delivery,
// so that a rare state is found as fast. A page may be short, or empty, and have a next one: at most
// 1,000 notifications or deliveries are looked at for it.
func (i *Inbox) ListAll(ctx context.Context, actor care.Actor, f NotificationFilter) (NotificationPage, error) {
	if !f.To.IsZero() && !f.From.Before(f.To) {
		return NotificationPage{}, care.InvalidField("from", "must be before to")
	}
	if f.State != "" && f.State != "sent" {
		return i.listInState(ctx, actor, f)
	}
	var rows []db.NotificationListRow
	err := i.read(ctx, actor, func(q *db.Queries) (err error) {
		rows, err = listAll(ctx, q, f)
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read notifications: %w", err)
	}
	return i.page(ctx, actor, rows, f.Limit)
}

// listAll runs the query along the index that leaves the fewest notifications to the other filters.
func listAll(ctx context.Context, q *db.Queries, f NotificationFilter) ([]db.NotificationListRow, error) {
	before := earlier(f.Before, f.To)
	p := db.NotificationListParams{
		Unread: f.Unread, State: f.State, Channel: f.Channel, CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, RowLimit: int32(f.Limit) + 1,
	}
	switch {
	case f.RecipientID != uuid.Nil:
		return listOfRecipient(ctx, q, f, true)
	case f.Unacknowledged:
		found, err := q.NotificationListToAcknowledge(ctx, db.NotificationListToAcknowledgeParams(p))
		return postgres.ConvertRows(found, func(r db.NotificationListToAcknowledgeRow) db.NotificationListRow { return db.NotificationListRow(r) }), err
	}
	return q.NotificationList(ctx, p)
}

// listOfRecipient returns the notifications of the filter's recipient, and those that are held only
// if withHeld is true.
func listOfRecipient(ctx context.Context, q *db.Queries, f NotificationFilter, withHeld bool) ([]db.NotificationListRow, error) {
	before := earlier(f.Before, f.To)
	found, err := q.NotificationListOfRecipient(ctx, db.NotificationListOfRecipientParams{
		RecipientID: f.RecipientID, WithHeld: withHeld, Unread: f.Unread, Unacknowledged: f.Unacknowledged, State: f.State, Channel: f.Channel,
		CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, RowLimit: int32(f.Limit) + 1,
	})
	return postgres.ConvertRows(found, func(r db.NotificationListOfRecipientRow) db.NotificationListRow { return db.NotificationListRow(r) }), err
}

// listInState returns the notifications with a delivery in the state. The page's cursor is the one
// of the last delivery.
func (i *Inbox) listInState(ctx context.Context, actor care.Actor, f NotificationFilter) (NotificationPage, error) {
	var rows []db.NotificationListInStateRow
	err := i.read(ctx, actor, func(q *db.Queries) (err error) {
		p := db.NotificationListOfRecipientInStateParams{
			State: f.State, Channel: f.Channel, RecipientID: f.RecipientID, Unread: f.Unread, Unacknowledged: f.Unacknowledged, CreatedFrom: f.From,
			CreatedBefore: cmp.Or(f.To, care.AfterAll.Time), BeforeTime: f.Before.Time, BeforeID: f.Before.ID, RowLimit: int32(f.Limit) + 1,
		}
		if f.RecipientID != uuid.Nil {
			var found []db.NotificationListOfRecipientInStateRow
			found, err = q.NotificationListOfRecipientInState(ctx, p)
			rows = postgres.ConvertRows(found, func(r db.NotificationListOfRecipientInStateRow) db.NotificationListInStateRow {
				return db.NotificationListInStateRow(r)
			})
			return err
		}
		rows, err = q.NotificationListInState(ctx, db.NotificationListInStateParams{
			State: p.State, Channel: p.Channel, Unread: p.Unread, Unacknowledged: p.Unacknowledged, CreatedFrom: p.CreatedFrom,
			CreatedBefore: p.CreatedBefore, BeforeTime: p.BeforeTime, BeforeID: p.BeforeID, RowLimit: p.RowLimit,
		})
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read notifications by state: %w", err)
	}
	return i.pageInState(ctx, actor, rows, f.Limit)
}

// pageInState returns at most limit of the rows, with the cursor of the last delivery.
func (i *Inbox) pageInState(ctx context.Context, actor care.Actor, found []db.NotificationListInStateRow, limit int) (NotificationPage, error) {
	found, next := care.PaginateFiltered(found, limit, func(r db.NotificationListInStateRow) (care.Place, care.PageCursor) {
		return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.MarkTime, ID: r.MarkID}
	})
	return i.withDeliveries(ctx, actor, postgres.ConvertRows(found, func(r db.NotificationListInStateRow) db.NotificationListRow {
		return db.NotificationListRow{
			ID: r.ID, EventPosition: r.EventPosition, EventID: r.EventID, EventType: r.EventType, Subject: r.Subject,
			RecipientID: r.RecipientID, ClinicID: r.ClinicID, Category: r.Category, Priority: r.Priority, Rule: r.Rule,
			CreatedAt: r.CreatedAt, ReadAt: r.ReadAt, PlanKey: r.PlanKey, DueAt: r.DueAt,
			AcknowledgedAt: r.AcknowledgedAt, NeedsAcknowledgement: r.NeedsAcknowledgement,
		}
	}), next)
}

// page returns at most limit of the rows, with the cursor of the last one.
func (i *Inbox) page(ctx context.Context, actor care.Actor, rows []db.NotificationListRow, limit int) (NotificationPage, error) {
	rows, next := care.PaginateFiltered(rows, limit, func(r db.NotificationListRow) (care.Place, care.PageCursor) {
		return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.CreatedAt, ID: r.ID}
	})
	return i.withDeliveries(ctx, actor, rows, next)
}

// withDeliveries returns a page of the rows with their deliveries.
func (i *Inbox) withDeliveries(ctx context.Context, actor care.Actor, rows []db.NotificationListRow, next care.PageCursor) (NotificationPage, error) {
	page := NotificationPage{Items: []Notification{}, Next: next.String()}
	deliveries, err := i.deliveries(ctx, actor, rows)
	if err != nil {
		return NotificationPage{}, err
	}
	for _, row := range rows {
		page.Items = append(page.Items, Notification{
			ID: row.ID, EventID: row.EventID, EventType: row.EventType, Position: row.EventPosition, Subject: row.Subject,
			RecipientID: row.RecipientID, ClinicID: row.ClinicID, Category: row.Category, Priority: row.Priority, Rule: row.Rule,
			CreatedAt: row.CreatedAt.UTC(), ReadAt: row.ReadAt, PlanKey: row.PlanKey, DueAt: orNil(row.DueAt), AcknowledgedAt: row.AcknowledgedAt, NeedsAcknowledgement: row.NeedsAcknowledgement,
			Deliveries: append([]Delivery{}, deliveries[row.ID]...),
		})
	}
	return page, nil
}

// deliveries returns the deliveries of the notifications, by notification.
func (i *Inbox) deliveries(ctx context.Context, actor care.Actor, rows []db.NotificationListRow) (map[uuid.UUID][]Delivery, error) {
	ids := make([]uuid.UUID, len(rows))
	for n, row := range rows {
		ids[n] = row.ID
	}
	var found []db.NotificationDeliveriesRow
	err := i.read(ctx, actor, func(q *db.Queries) (err error) {
		found, err = q.NotificationDeliveries(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	all := map[uuid.UUID][]Delivery{}
	for _, d := range found {
		all[d.NotificationID] = append(all[d.NotificationID], Delivery{
			ID: d.ID, Channel: d.Channel, State: d.State, Reason: d.Reason, Attempt: d.Attempt, PossibleDuplicate: d.PossibleDuplicate,
			Provider: orEmpty(d.Provider), ErrorCode: orEmpty(d.ErrorCode), CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC(), SentAt: d.SentAt, NotBefore: d.NotBefore,
		})
	}
	return all, nil
}

// orNil returns nil for the year 1, which queries return for a missing time.
func orNil(t time.Time) *time.Time {
	if t.Year() <= 1 {
		return nil
	}
	t = t.UTC()
	return &t
}

// Summary is the part of a notification that a link in a message leads to.
type Summary struct {
	EventType string
	Subject   string
	CreatedAt time.Time
	// AcknowledgedAt is nil if the recipient has not acknowledged it, and NeedsAcknowledgement reports
	// whether others are told unless somebody does.
	AcknowledgedAt       *time.Time
	NeedsAcknowledgement bool
	// AcknowledgedByAnother reports whether somebody else acknowledged theirs, so that nobody else is
	// told.
	AcknowledgedByAnother bool
	// PlanKey is empty unless a schedule, a digest or a step of an escalation planned the notification.
	PlanKey string
	// ClinicName and ClinicZone are the name and the time zone of the clinic, or empty.
	ClinicName string
	ClinicZone string
}

// GetOwn returns one of the actor's own notifications. For one that does not exist or is another
// person's it returns care.NotFound, once that denial is in the audit trail.
func (i *Inbox) GetOwn(ctx context.Context, cmd care.Command, id uuid.UUID) (Summary, error) {
	var row db.NotificationOfRecipientRow
	err := i.read(ctx, cmd.Actor, func(q *db.Queries) (err error) {
		row, err = q.NotificationOfRecipient(ctx, db.NotificationOfRecipientParams{ID: id, RecipientID: cmd.Actor.UserID})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Summary{}, i.denied(ctx, cmd, id, care.Errorf(care.NotFound, "notification not found; you may be signed in as another person"))
	}
	if err != nil {
		return Summary{}, fmt.Errorf("read notification: %w", err)
	}
	return Summary(row), nil
}

func (i *Inbox) denied(ctx context.Context, cmd care.Command, id uuid.UUID, refusal *care.Error) error {
	return i.writer.Audited(ctx, outbox.Deny(cmd, refusal, care.SelfManage, care.Ref{Kind: "notification", ID: id}, nil, nil))
}
