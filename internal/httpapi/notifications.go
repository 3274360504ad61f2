package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Notification is what one person is told of one event.
type Notification struct {
	ID          uuid.UUID  `json:"id" format:"uuid"`
	EventID     uuid.UUID  `json:"eventId" format:"uuid"`
	EventType   string     `json:"eventType" example:"ehr.lab_report.created"`
	Position    int64      `json:"position" doc:"The event's place in the ledger."`
	Subject     string     `json:"subject" doc:"What the event is about: read it there."`
	RecipientID uuid.UUID  `json:"recipientId" format:"uuid"`
	ClinicID    *uuid.UUID `json:"clinicId,omitempty" format:"uuid"`
	Category    string     `json:"category"`
	Priority    string     `json:"priority"`
	Rule        string     `json:"rule" doc:"The rule that said so."`
	CreatedAt   time.Time  `json:"createdAt" format:"date-time"`
	ReadAt      *time.Time `json:"readAt,omitempty" format:"date-time"`
	Deliveries  []Delivery `json:"deliveries"`
}

// Delivery is what became of one message.
type Delivery struct {
	ID                uuid.UUID  `json:"id" format:"uuid"`
	Channel           string     `json:"channel"`
	State             string     `json:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown"`
	Reason            string     `json:"reason,omitempty"`
	Attempt           int32      `json:"attempt" doc:"How often a provider was called."`
	PossibleDuplicate bool       `json:"possibleDuplicate,omitempty"`
	Provider          string     `json:"provider,omitempty"`
	ErrorCode         string     `json:"errorCode,omitempty"`
	CreatedAt         time.Time  `json:"createdAt" format:"date-time"`
	UpdatedAt         time.Time  `json:"updatedAt" format:"date-time"`
	SentAt            *time.Time `json:"sentAt,omitempty" format:"date-time"`
}

// NotificationPage is one page of notifications.
type NotificationPage struct {
	Items []Notification `json:"items"`
	Next  string         `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
	// Unread is left out of an operator's list of everybody's.
	Unread *int64 `json:"unread,omitempty" doc:"How many of one's own are not marked as read, counted up to 1000; left out for an operator."`
}

// maxUnread is how far unread notifications are counted: more is many.
const maxUnread = 1000

type notificationsInput struct {
	Unread      bool      `query:"unread" doc:"true: only those that are not marked as read."`
	State       string    `query:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown" doc:"For operators: only those with a delivery in this state."`
	Channel     string    `query:"channel" enum:"email,push,sms,whatsapp" doc:"For operators: only those with a delivery on this channel; with a state, in that state on it."`
	RecipientID uuid.UUID `query:"recipientId" format:"uuid" doc:"For operators: only this person's."`
	From        time.Time `query:"from" format:"date-time" doc:"For operators: only those made at this time or later."`
	To          time.Time `query:"to" format:"date-time" doc:"For operators: only those made before this time."`
	Paging
}

// operators refuses the first filter that is for operators only.
func (in *notificationsInput) operators() error {
	for _, f := range []struct {
		field string
		given bool
	}{
		{"state", in.State != ""},
		{"channel", in.Channel != ""},
		{"recipientId", in.RecipientID != uuid.Nil},
		{"from", !in.From.IsZero()},
		{"to", !in.To.IsZero()},
	} {
		if f.given {
			return care.InvalidField(f.field, "is for operators only")
		}
	}
	return nil
}

func (s *Server) addNotifications() {
	type output struct{ Body NotificationPage }
	register(s, operation{
		id: "list-notifications", method: http.MethodGet, path: "/api/notifications", tag: "me", summary: "List notifications",
		description: "What the caller was told of, the newest first. An operator gets everybody's, by state, channel, time and recipient.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.SelfManage, func(ctx context.Context, in *notificationsInput) (*output, error) {
		actor := infoOf(ctx).actor
		before, err := parseMark(in.Cursor, care.AfterAll)
		if err != nil {
			return nil, err
		}
		if actor.MayOnPlatform(care.NotificationReview) {
			page, err := s.everybodys(ctx, in, before)
			return &output{page}, err
		}
		if err := in.operators(); err != nil {
			return nil, err
		}
		page, err := s.inbox(ctx, actor.UserID, in, before)
		return &output{page}, err
	})
}

// inbox reads a person's own.
func (s *Server) inbox(ctx context.Context, userID uuid.UUID, in *notificationsInput, before care.PageCursor) (NotificationPage, error) {
	var rows []db.NotificationListOfRecipientRow
	var unread int64
	err := s.read(ctx, func(q *db.Queries) (err error) {
		rows, err = q.NotificationListOfRecipient(ctx, db.NotificationListOfRecipientParams{
			RecipientID: userID, Unread: in.Unread, BeforeTime: before.Time, BeforeID: before.ID, RowLimit: int32(in.Limit) + 1,
		})
		if err != nil {
			return err
		}
		unread, err = q.NotificationUnread(ctx, db.NotificationUnreadParams{RecipientID: userID, Most: maxUnread})
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read inbox: %w", err)
	}
	all := make([]db.NotificationListRow, len(rows))
	for i, row := range rows {
		all[i] = db.NotificationListRow(row)
	}
	page, err := s.notificationPage(ctx, all, in.Limit)
	page.Unread = &unread
	return page, err
}

// everybodys reads all there are, for an operator.
func (s *Server) everybodys(ctx context.Context, in *notificationsInput, before care.PageCursor) (NotificationPage, error) {
	to := cmp.Or(in.To, care.AfterAll.Time)
	if !in.From.Before(to) {
		return NotificationPage{}, care.InvalidField("from", "must be before to")
	}
	if in.State != "" && in.State != "sent" {
		return s.everybodysInState(ctx, in, before, to)
	}
	var rows []db.NotificationListRow
	err := s.read(ctx, func(q *db.Queries) (err error) {
		rows, err = q.NotificationList(ctx, db.NotificationListParams{
			BeforeTime: before.Time, BeforeID: before.ID, CreatedFrom: in.From, CreatedBefore: to, RecipientID: in.RecipientID,
			Unread: in.Unread, State: in.State, Channel: in.Channel, RowLimit: int32(in.Limit) + 1,
		})
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read notifications: %w", err)
	}
	return s.notificationPage(ctx, rows, in.Limit)
}

// everybodysInState reads those with a delivery in the state. They are found by these deliveries, so that few of many are
// found as fast; the cursor is the last one's.
func (s *Server) everybodysInState(ctx context.Context, in *notificationsInput, before care.PageCursor, to time.Time) (NotificationPage, error) {
	var found []db.NotificationListInStateRow
	err := s.read(ctx, func(q *db.Queries) (err error) {
		found, err = q.NotificationListInState(ctx, db.NotificationListInStateParams{
			State: in.State, Channel: in.Channel, RecipientID: in.RecipientID, Unread: in.Unread, CreatedFrom: in.From, CreatedBefore: to,
			BeforeTime: before.Time, BeforeID: before.ID, RowLimit: int32(in.Limit) + 1,
		})
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read notifications by state: %w", err)
	}
	found, next := cut(found, in.Limit, func(r db.NotificationListInStateRow) string {
		return care.PageCursor{Time: r.MarkTime, ID: r.MarkID}.String()
	})
	rows := make([]db.NotificationListRow, len(found))
	for i, r := range found {
		rows[i] = db.NotificationListRow{
			ID: r.ID, EventPosition: r.EventPosition, EventID: r.EventID, EventType: r.EventType, Subject: r.Subject,
			RecipientID: r.RecipientID, ClinicID: r.ClinicID, Category: r.Category, Priority: r.Priority, Rule: r.Rule,
			CreatedAt: r.CreatedAt, ReadAt: r.ReadAt,
		}
	}
	page, err := s.notificationPage(ctx, rows, in.Limit)
	page.Next = next
	return page, err
}

// notificationPage cuts the rows to a page and adds their deliveries.
func (s *Server) notificationPage(ctx context.Context, rows []db.NotificationListRow, limit int) (NotificationPage, error) {
	page := NotificationPage{Items: []Notification{}}
	rows, page.Next = cut(rows, limit, func(r db.NotificationListRow) string { return care.PageCursor{Time: r.CreatedAt, ID: r.ID}.String() })
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	var found []db.NotificationDeliveriesRow
	err := s.read(ctx, func(q *db.Queries) (err error) {
		found, err = q.NotificationDeliveries(ctx, ids)
		return err
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read deliveries: %w", err)
	}
	deliveries := map[uuid.UUID][]Delivery{}
	for _, d := range found {
		deliveries[d.NotificationID] = append(deliveries[d.NotificationID], Delivery{
			ID: d.ID, Channel: d.Channel, State: d.State, Reason: d.Reason, Attempt: d.Attempt, PossibleDuplicate: d.PossibleDuplicate,
			Provider: text(d.Provider), ErrorCode: text(d.ErrorCode), CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC(), SentAt: d.SentAt,
		})
	}
	for _, row := range rows {
		page.Items = append(page.Items, Notification{
			ID: row.ID, EventID: row.EventID, EventType: row.EventType, Position: row.EventPosition, Subject: row.Subject,
			RecipientID: row.RecipientID, ClinicID: row.ClinicID, Category: row.Category, Priority: row.Priority, Rule: row.Rule,
			CreatedAt: row.CreatedAt.UTC(), ReadAt: row.ReadAt, Deliveries: append([]Delivery{}, deliveries[row.ID]...),
		})
	}
	return page, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
