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

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// SuppressedPrefix begins the state of a suppressed address in the SQL function user_address_state,
// and the reason of a decision; the reason of the suppression follows.
const SuppressedPrefix = "suppressed:"

// SuppressionReasons are the reasons for a suppression.
var SuppressionReasons = []string{SuppressedHardBounce, SuppressedComplaint, SuppressedOptedOut}

// suppression is an address to which no more messages are sent: that of the receipt, or the one
// given, or the person's current one.
type suppression struct {
	id              uuid.UUID
	kind            care.AddressKind
	channel, reason string
	source, address string
	user, receipt   uuid.UUID
	cause           delivery
}

// raiseSuppressions stores the suppressions, and appends an event for each new one. It returns how
// many are new.
func raiseSuppressions(ctx context.Context, tx pgx.Tx, all []suppression) (int, error) {
	if len(all) == 0 {
		return 0, nil
	}
	var p db.SuppressionRaiseParams
	for _, s := range all {
		p.Kinds = append(p.Kinds, string(s.kind))
		p.Ids = append(p.Ids, s.id)
		p.Channels = append(p.Channels, s.channel)
		p.Reasons = append(p.Reasons, s.reason)
		p.Sources = append(p.Sources, s.source)
		p.UserIds = append(p.UserIds, s.user)
		p.ReceiptIds = append(p.ReceiptIds, s.receipt)
		p.Addresses = append(p.Addresses, s.address)
	}
	ids, err := db.New(tx).SuppressionRaise(ctx, p)
	if err != nil {
		return 0, fmt.Errorf("suppress addresses: %w", err)
	}
	var events []event.Event
	for _, s := range all {
		if !slices.Contains(ids, s.id) {
			continue
		}
		cmd := s.cause.command()
		e := event.New(cmd, "user.address_suppressed", care.Ref{Kind: "user", ID: s.user}, event.AddressSuppression{
			UserID: s.user, SuppressionID: &s.id, Channel: s.channel, Reason: s.reason, Source: s.source,
		}).About(cmd, s.user, nil)
		e.CauseID = &s.cause.eventID
		events = append(events, e)
	}
	return len(ids), outbox.Append(ctx, tx, events...)
}

// Suppression is an address to which no more messages are sent. The address itself is not stored.
type Suppression struct {
	ID        uuid.UUID  `json:"id" format:"uuid"`
	Channel   string     `json:"channel" doc:"The channel on which the reason arose." example:"email"`
	Reason    string     `json:"reason" enum:"hard_bounce,complaint,opted_out"`
	Source    string     `json:"source" doc:"The provider that reported it." example:"ses"`
	UserID    *uuid.UUID `json:"userId,omitempty" format:"uuid" doc:"The person to whom the message was addressed."`
	CreatedAt time.Time  `json:"createdAt" format:"date-time"`
}

// SuppressionFilter selects suppressions; an empty field selects all.
type SuppressionFilter struct {
	// UserID selects the suppressions of the addresses that the person has now, and of those to which
	// messages for them went.
	UserID          uuid.UUID
	Channel, Reason string
	// Before is the cursor of the last one on the previous page; the zero cursor begins with the
	// newest.
	Before care.PageCursor
	// Limit is the largest number of suppressions returned.
	Limit int
	// Channels are the names that Channel can have; nil means those of care.BuiltinChannels.
	Channels []string
}

func (f SuppressionFilter) check() error {
	channels := f.Channels
	if channels == nil {
		channels = care.BuiltinChannels.Names()
	}
	if f.Channel != "" && !slices.Contains(channels, f.Channel) {
		return care.InvalidField("channel", "unknown channel %q; want one of %s", f.Channel, strings.Join(channels, ", "))
	}
	if f.Reason != "" && !slices.Contains(SuppressionReasons, f.Reason) {
		return care.InvalidField("reason", "unknown reason %q; want one of %s", f.Reason, strings.Join(SuppressionReasons, ", "))
	}
	return nil
}

// ListSuppressions returns a page of suppressions, the newest first, and the cursor of the next page,
// which is zero on the last one. A page may be short, or empty, and have a next one: at most 1,000
// suppressions are looked at for it. tx is of the worker role; its later statements are planned for any
// arguments. The error for an unknown channel or reason is care.Invalid.
func ListSuppressions(ctx context.Context, tx pgx.Tx, f SuppressionFilter) ([]Suppression, care.PageCursor, error) {
	if err := f.check(); err != nil {
		return nil, care.PageCursor{}, err
	}
	rows, err := f.list(ctx, db.New(tx))
	if err != nil {
		return nil, care.PageCursor{}, fmt.Errorf("list suppressions: %w", postgres.Translate(err))
	}
	rows, next := care.PaginateFiltered(rows, f.Limit, func(r db.SuppressionListRow) (care.Place, care.PageCursor) {
		return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.CreatedAt, ID: r.ID}
	})
	return postgres.ConvertRows(rows, func(r db.SuppressionListRow) Suppression {
		return Suppression{ID: r.ID, Channel: r.Channel, Reason: r.Reason, Source: r.Source, UserID: r.UserID, CreatedAt: r.CreatedAt.UTC()}
	}), next, nil
}

func (f SuppressionFilter) list(ctx context.Context, q *db.Queries) ([]db.SuppressionListRow, error) {
	if err := q.PlanForAnyValues(ctx); err != nil {
		return nil, err
	}
	before, rows := cmp.Or(f.Before, care.AfterAll), int32(f.Limit)+1
	if f.UserID == uuid.Nil {
		return q.SuppressionList(ctx, db.SuppressionListParams{
			Channel: f.Channel, Reason: f.Reason, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
		})
	}
	own, err := q.SuppressionListOfPerson(ctx, db.SuppressionListOfPersonParams{
		UserID: f.UserID, Channel: f.Channel, Reason: f.Reason, BeforeTime: before.Time, BeforeID: before.ID, MaxRows: rows,
	})
	return postgres.ConvertRows(own, func(r db.SuppressionListOfPersonRow) db.SuppressionListRow { return db.SuppressionListRow(r) }), err
}

// SuppressionMark returns the position of a suppression in the list. The error for an unknown one
// is care.NotFound.
func SuppressionMark(ctx context.Context, q db.DBTX, id uuid.UUID) (care.PageCursor, error) {
	at, err := db.New(q).SuppressionMark(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return care.PageCursor{}, care.Errorf(care.NotFound, "no suppression %s", id)
	}
	if err != nil {
		return care.PageCursor{}, fmt.Errorf("find the suppression: %w", postgres.Translate(err))
	}
	return care.PageCursor{Time: at, ID: id}, nil
}

// RemoveSuppression removes a suppression, so that messages are sent to the address again. The
// writer's pool is of the worker role. The error for an unknown one is care.NotFound.
func RemoveSuppression(ctx context.Context, writer *outbox.Writer, cmd care.Command, id uuid.UUID) error {
	return postgres.InTx(ctx, writer.Pool(), func(tx pgx.Tx) error {
		row, err := db.New(tx).SuppressionRemove(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "no suppression %s", id)
		}
		if err != nil {
			return fmt.Errorf("remove the suppression: %w", err)
		}
		if row.UserID == nil {
			return nil
		}
		e := event.New(cmd, "user.address_suppression_lifted", care.Ref{Kind: "user", ID: *row.UserID}, event.AddressSuppression{
			UserID: *row.UserID, SuppressionID: &id, Channel: row.Channel, Reason: row.Reason, Source: row.Source,
		})
		return outbox.Append(ctx, tx, e.About(cmd, *row.UserID, nil))
	})
}
