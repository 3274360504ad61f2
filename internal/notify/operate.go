package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// States are those of a delivery, in the order in which it may pass them.
var States = []string{"planned", "queued", "uncertain", "sent", "delivered", "read", "suppressed", "cancelled", "failed", "unknown"}

// DeliveryStatus describes a delivery to an operator: ids, states and codes.
type DeliveryStatus struct {
	ID                uuid.UUID `json:"id" format:"uuid"`
	NotificationID    uuid.UUID `json:"notificationId" format:"uuid"`
	EventID           uuid.UUID `json:"eventId" format:"uuid"`
	EventType         string    `json:"eventType" example:"ehr.lab_report.created"`
	Subject           string    `json:"subject" doc:"The subject of the event."`
	RecipientID       uuid.UUID `json:"recipientId" format:"uuid"`
	Channel           string    `json:"channel"`
	State             string    `json:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown"`
	Reason            string    `json:"reason"`
	Rule              string    `json:"rule" doc:"The rule that planned it."`
	Template          string    `json:"template" doc:"The template of its texts." example:"clinical"`
	TemplateVersion   int32     `json:"templateVersion" doc:"The version of the templates; 0 for the set in the binary."`
	Priority          string    `json:"priority"`
	Attempt           int32     `json:"attempt" doc:"How often a provider was called."`
	PossibleDuplicate bool      `json:"possibleDuplicate"`
	Provider          string    `json:"provider,omitempty"`
	ErrorCode         string    `json:"errorCode,omitempty"`
	CreatedAt         time.Time `json:"createdAt" format:"date-time"`
	UpdatedAt         time.Time `json:"updatedAt" format:"date-time"`
}

// DeliveryFilter selects deliveries; an empty field selects all.
type DeliveryFilter struct {
	State, Channel, Rule string
	RecipientID          uuid.UUID
	// From and To bound the time at which a delivery was planned: not before From, before To.
	From, To time.Time
	// Before is the cursor of the last delivery on the previous page; the zero cursor begins with
	// the newest.
	Before care.PageCursor
	// Limit is the largest number of deliveries returned.
	Limit int
	// Channels are the names that Channel can have; nil means those of care.BuiltinChannels.
	Channels []string
}

func (f DeliveryFilter) check() error {
	if f.State != "" && !slices.Contains(States, f.State) {
		return care.Errorf(care.Invalid, "unknown state %q; want one of %s", f.State, strings.Join(States, ", "))
	}
	channels := f.Channels
	if channels == nil {
		channels = care.BuiltinChannels.Names()
	}
	if f.Channel != "" && !slices.Contains(channels, f.Channel) {
		return care.Errorf(care.Invalid, "unknown channel %q; want one of %s", f.Channel, strings.Join(channels, ", "))
	}
	return nil
}

// Deliveries returns a page of deliveries, the last planned first, and the cursor of the next page,
// which is zero on the last one. A delivery keeps its place while it changes, so that paging returns
// each once. A page may be short, or empty, and have a next one: at most 1,000 deliveries are looked
// at for it. It runs in the transaction q, whose later statements are planned for any arguments. The
// error for an unknown state or channel is care.Invalid.
func Deliveries(ctx context.Context, q db.DBTX, f DeliveryFilter) ([]DeliveryStatus, care.PageCursor, error) {
	if err := f.check(); err != nil {
		return nil, care.PageCursor{}, err
	}
	queries := db.New(q)
	if err := queries.PlanForAnyValues(ctx); err != nil {
		return nil, care.PageCursor{}, fmt.Errorf("list deliveries: %w", postgres.Translate(err))
	}
	rows, err := f.list(ctx, queries)
	if err != nil {
		return nil, care.PageCursor{}, fmt.Errorf("list deliveries: %w", postgres.Translate(err))
	}
	rows, next := care.PaginateFiltered(rows, f.Limit, func(r db.DeliveryListRow) (care.Place, care.PageCursor) {
		return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.CreatedAt, ID: r.ID}
	})
	all := make([]DeliveryStatus, len(rows))
	for i, r := range rows {
		all[i] = DeliveryStatus{
			ID: r.ID, NotificationID: r.NotificationID, EventID: r.EventID, EventType: r.EventType, Subject: r.Subject,
			RecipientID: r.RecipientID, Channel: r.Channel, State: r.State, Reason: r.Reason, Rule: r.Rule, Priority: r.Priority,
			Template: r.Template, TemplateVersion: r.TemplateVersion,
			Attempt: r.Attempt, PossibleDuplicate: r.PossibleDuplicate, Provider: orEmpty(r.Provider), ErrorCode: orEmpty(r.ErrorCode),
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		}
	}
	return all, next, nil
}

// list runs the query along the index that leaves the fewest deliveries to the other filters: nearly
// all are sent, delivered or read, and on email and push, which deliveries_channel_idx leaves out.
func (f DeliveryFilter) list(ctx context.Context, q *db.Queries) ([]db.DeliveryListRow, error) {
	before, rows := f.before(), int32(f.Limit)+1
	usual := slices.Contains([]string{"", "sent", "delivered", "read"}, f.State)
	switch {
	case f.RecipientID != uuid.Nil:
		found, err := q.DeliveryListOfRecipient(ctx, db.DeliveryListOfRecipientParams{
			RecipientID: f.RecipientID, Channel: f.Channel, Rule: f.Rule, State: f.State, CreatedFrom: f.From,
			BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
		})
		return postgres.ConvertRows(found, func(r db.DeliveryListOfRecipientRow) db.DeliveryListRow { return db.DeliveryListRow(r) }), err
	case f.Rule != "" && usual:
		found, err := q.DeliveryListOfRule(ctx, db.DeliveryListOfRuleParams{
			Rule: f.Rule, Channel: f.Channel, State: f.State, CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
		})
		return postgres.ConvertRows(found, func(r db.DeliveryListOfRuleRow) db.DeliveryListRow { return db.DeliveryListRow(r) }), err
	case f.State != "" && f.State != "sent":
		found, err := q.DeliveryListInState(ctx, db.DeliveryListInStateParams{
			State: f.State, Channel: f.Channel, Rule: f.Rule, CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
		})
		return postgres.ConvertRows(found, func(r db.DeliveryListInStateRow) db.DeliveryListRow { return db.DeliveryListRow(r) }), err
	case f.Channel != "" && f.Channel != Email && f.Channel != Push:
		found, err := q.DeliveryListOnChannel(ctx, db.DeliveryListOnChannelParams{
			Channel: f.Channel, State: f.State, CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
		})
		return postgres.ConvertRows(found, func(r db.DeliveryListOnChannelRow) db.DeliveryListRow { return db.DeliveryListRow(r) }), err
	}
	return q.DeliveryList(ctx, db.DeliveryListParams{
		Channel: f.Channel, State: f.State, CreatedFrom: f.From, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
	})
}

// before returns the position that the page continues below: the cursor, or To if it is earlier.
func (f DeliveryFilter) before() care.PageCursor {
	return earlier(cmp.Or(f.Before, care.AfterAll), f.To)
}

// DeliveryMark returns the position of a delivery in the list of Deliveries. The error for an
// unknown delivery, or one that the caller may not see, is care.NotFound.
func DeliveryMark(ctx context.Context, q db.DBTX, id uuid.UUID) (care.PageCursor, error) {
	at, err := db.New(q).DeliveryPlannedAt(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return care.PageCursor{}, care.Errorf(care.NotFound, "no delivery %s", id)
	}
	if err != nil {
		return care.PageCursor{}, fmt.Errorf("find the delivery: %w", postgres.Translate(err))
	}
	return care.PageCursor{Time: at, ID: id}, nil
}

// Redrive queues a delivery again that failed or was cancelled, whose outcome is unknown (it is
// then marked as a possible duplicate), or that was suppressed for lack of an address that the
// person has by now. Its state, a new job and a notification.planned event of the command's actor
// commit together. A delivery without attempts left gets one more. channels is the table of known
// channels. The error is care.NotFound for an unknown delivery and care.Conflict for one in another
// state, and for one that is no longer true. The pool is of the worker role; the client needs no workers.
func Redrive(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], channels care.Channels, cmd care.Command, id uuid.UUID) error {
	return postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.DeliveryTakeForRedrive(ctx, db.DeliveryTakeForRedriveParams{ID: id, Channels: channels.Names(), AddressKinds: addressKinds(channels)})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "no delivery %s", id)
		}
		if err != nil {
			return fmt.Errorf("take the delivery: %w", err)
		}
		if err := redrivable(row); err != nil {
			return err
		}
		reason := "redriven after " + row.State
		if err := q.DeliveryRequeue(ctx, db.DeliveryRequeueParams{ID: id, Reason: reason}); err != nil {
			return fmt.Errorf("queue the delivery again: %w", err)
		}
		if _, err := client.InsertTx(ctx, tx, DeliveryArgs{DeliveryID: id}, JobOpts(row.Channel, row.Priority)); err != nil {
			return fmt.Errorf("insert job: %w", err)
		}
		return outbox.Append(ctx, tx, redriven(cmd, row, reason))
	})
}

// redrivable returns an error for a delivery that must not be sent again.
func redrivable(row db.DeliveryTakeForRedriveRow) error {
	switch row.CutOffBy {
	case "":
	case outbox.CauseRead:
		return care.Errorf(care.Conflict, "delivery %s is no longer needed: the recipient has read the messages that it tells of, so it cannot be queued again", row.ID)
	default:
		return care.Errorf(care.Conflict, "delivery %s is no longer true: %s followed the event that it tells of, so it cannot be queued again; the later event has messages of its own", row.ID, row.CutOffBy)
	}
	switch row.State {
	case "failed", "cancelled", "unknown":
		return nil
	case "suppressed":
		if row.Reason != "no_address" && row.Reason != "address_unverified" && !strings.HasPrefix(row.Reason, SuppressedPrefix) {
			break
		}
		if !row.Reachable {
			return care.Errorf(care.Conflict, "delivery %s was suppressed (%s), and its recipient still has no verified address for %s that is not suppressed; add or verify one first", row.ID, row.Reason, row.Channel)
		}
		return nil
	}
	return care.Errorf(care.Conflict, "delivery %s is %s (%s); only a failed, cancelled or unknown one, or one suppressed for lack of an address (no_address, address_unverified) or because of it (suppressed:…), can be queued again", row.ID, row.State, row.Reason)
}

// redriven returns the event of a redrive, in the trace of the delivery and with the command's
// actor.
func redriven(cmd care.Command, row db.DeliveryTakeForRedriveRow, reason string) event.Event {
	data := event.Notification{
		NotificationID: row.NotificationID, UserID: row.RecipientID, Rule: row.Rule, RuleVersion: row.RuleVersion,
		Channels: []event.ChannelDecision{{Channel: row.Channel, DeliveryID: row.ID, State: "queued", Reason: reason}},
	}
	e := event.New(cmd, "notification.planned", care.Ref{Kind: "notification", ID: row.NotificationID}, data).About(cmd, row.RecipientID, row.ClinicID)
	e.CauseID, e.CorrelationID, e.Traceparent = &row.EventID, row.CorrelationID, row.Traceparent
	return e
}

// known returns the channels, or the built-in ones for none.
func known(channels care.Channels) care.Channels {
	if len(channels) == 0 {
		return care.BuiltinChannels
	}
	return channels
}

// addressKinds returns the kinds of address of the channels, in their order.
func addressKinds(channels care.Channels) []string {
	kinds := make([]string, len(channels))
	for i, c := range channels {
		kinds[i] = string(c.Address)
	}
	return kinds
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
