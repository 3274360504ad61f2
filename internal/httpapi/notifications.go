package httpapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres"
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
	State             string     `json:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed"`
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
}

type notificationsInput struct {
	State string `query:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed" doc:"For operators: only those with a delivery in this state."`
	Paging
}

func (s *Server) addNotifications() {
	type output struct{ Body NotificationPage }
	register(s, operation{
		id: "list-notifications", method: http.MethodGet, path: "/api/notifications", tag: "me", summary: "List notifications",
		description: "What the caller was told of, the newest first. An operator gets everybody's, by state.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.SelfManage, func(ctx context.Context, in *notificationsInput) (*output, error) {
		actor := infoOf(ctx).actor
		read := s.inbox
		if actor.MayOnPlatform(care.NotificationReview) {
			read = s.everybodys
		} else if in.State != "" {
			return nil, care.InvalidField("state", "is for operators only")
		}
		page, err := read(ctx, actor.UserID, in)
		return &output{page}, err
	})
}

// inbox reads a person's own.
func (s *Server) inbox(ctx context.Context, userID uuid.UUID, in *notificationsInput) (NotificationPage, error) {
	before, id, err := parsePageMark(in.Cursor)
	if err != nil {
		return NotificationPage{}, err
	}
	rows, err := db.New(s.cfg.Writer.Pool()).NotificationListOfRecipient(ctx, db.NotificationListOfRecipientParams{
		RecipientID: userID, BeforeTime: microsecond(before), BeforeID: id, RowLimit: int32(in.Limit) + 1,
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read inbox: %w", postgres.Translate(err))
	}
	all := make([]db.NotificationListRow, len(rows))
	for i, row := range rows {
		all[i] = db.NotificationListRow(row)
	}
	return s.notificationPage(ctx, all, in.Limit, func(r db.NotificationListRow) int64 { return r.CreatedAt.UnixMicro() })
}

// everybodys reads all there are, for an operator.
func (s *Server) everybodys(ctx context.Context, _ uuid.UUID, in *notificationsInput) (NotificationPage, error) {
	before, id, err := parsePageMark(in.Cursor)
	if err != nil {
		return NotificationPage{}, err
	}
	rows, err := db.New(s.cfg.Writer.Pool()).NotificationList(ctx, db.NotificationListParams{
		BeforePosition: before, BeforeID: id, State: in.State, RowLimit: int32(in.Limit) + 1,
	})
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read notifications: %w", postgres.Translate(err))
	}
	return s.notificationPage(ctx, rows, in.Limit, func(r db.NotificationListRow) int64 { return r.EventPosition })
}

// notificationPage cuts the rows to a page and adds their deliveries. key is what the list is ordered by.
func (s *Server) notificationPage(ctx context.Context, rows []db.NotificationListRow, limit int, key func(db.NotificationListRow) int64) (NotificationPage, error) {
	page := NotificationPage{Items: []Notification{}}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		page.Next = pageMark(key(last), last.ID)
	}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	found, err := db.New(s.cfg.Writer.Pool()).NotificationDeliveries(ctx, ids)
	if err != nil {
		return NotificationPage{}, fmt.Errorf("read deliveries: %w", postgres.Translate(err))
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

// pageMark is where a page ends: the number that the list is ordered by, and the id of the last item. It carries no right.
func pageMark(key int64, id uuid.UUID) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(key, 10) + "/" + id.String()))
}

// parsePageMark reads a cursor; an empty one is before everything.
func parsePageMark(cursor string) (int64, uuid.UUID, error) {
	if cursor == "" {
		return math.MaxInt64, uuid.Max, nil
	}
	wrong := care.InvalidField("cursor", "must be the next of the page before")
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, uuid.Nil, wrong
	}
	number, name, _ := strings.Cut(string(plain), "/")
	key, err := strconv.ParseInt(number, 10, 64)
	id, idErr := uuid.Parse(name)
	if err != nil || idErr != nil || key < 0 {
		return 0, uuid.Nil, wrong
	}
	return key, id, nil
}

// microsecond is the time of a mark, at most what PostgreSQL can compare with.
func microsecond(key int64) time.Time {
	const year9999 = 253402300799 * 1_000_000
	return time.UnixMicro(min(key, year9999)).UTC()
}
