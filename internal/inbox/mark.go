package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Mark is a change of notifications in an inbox.
type Mark string

// The marks.
const (
	Seen      Mark = "seen"
	Read      Mark = "read"
	Unread    Mark = "unread"
	Archive   Mark = "archive"
	Unarchive Mark = "unarchive"
)

// Marks lists all marks.
var Marks = []Mark{Seen, Read, Unread, Archive, Unarchive}

const (
	// MaxIDs bounds the notifications that one request names.
	MaxIDs = 200
	// markBatch bounds the notifications of one transaction, and maxBatches the transactions of one
	// request.
	markBatch  = 500
	maxBatches = 20
)

// Target selects the notifications to mark: those with IDs, or all up to one or up to a position.
// Exactly one field is set.
type Target struct {
	IDs []uuid.UUID
	// UpTo selects a notification of the inbox and all older ones.
	UpTo uuid.UUID
	// UpToPosition selects the notifications of events up to this position of the ledger.
	UpToPosition int64
}

// Marked is the result of a mark.
type Marked struct {
	Counts
	// More reports that the request marked as many as one may, and older ones are left.
	More bool `json:"more,omitempty" doc:"Whether older notifications are left: one request marks at most 10,000. Repeat it to continue."`
}

func (t Target) validate() error {
	set := 0
	for _, given := range []bool{len(t.IDs) > 0, t.UpTo != uuid.Nil, t.UpToPosition != 0} {
		if given {
			set++
		}
	}
	switch {
	case set == 0:
		return care.InvalidField("ids", "or upTo must be given")
	case set > 1:
		return care.InvalidField("upTo", "cannot be combined with ids")
	case len(t.IDs) > MaxIDs:
		return care.InvalidField("ids", "must have at most %d entries; use upTo for more", MaxIDs)
	case t.UpToPosition < 0:
		return care.InvalidField("upTo", "must be the id of a notification or a position of at least 1")
	}
	return nil
}

// Mark marks the actor's own notifications and returns the counts afterwards. Ids that are unknown,
// held or another person's are ignored, and repeating a mark changes nothing. A change appends one
// inbox.updated event with the counts for each transaction, and notification.read for each
// notification that was read. The error is care.Invalid for an invalid target, and care.NotFound for
// an UpTo that is not in the actor's inbox.
func (s *Service) Mark(ctx context.Context, cmd care.Command, mark Mark, t Target) (m Marked, err error) {
	if !slices.Contains(Marks, mark) {
		return Marked{}, care.Errorf(care.Invalid, "unknown mark %q", mark)
	}
	if err := t.validate(); err != nil {
		return Marked{}, err
	}
	until := care.PageCursor{}
	if len(t.IDs) == 0 {
		if until, err = s.place(ctx, cmd.Actor, t); err != nil {
			return Marked{}, err
		}
	}
	m.More = true
	for range maxBatches {
		if !m.More {
			break
		}
		m, err = s.markBatch(ctx, cmd, mark, t, until)
		if err != nil {
			return Marked{}, err
		}
	}
	return m, nil
}

// MarkRead marks one of the actor's own notifications as read. For one that does not exist or is
// another person's it returns care.NotFound, once that denial is in the audit trail.
func (s *Service) MarkRead(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		own, err := db.New(tx).InboxOf(ctx, db.InboxOfParams{Ids: []uuid.UUID{id}, RecipientID: cmd.Actor.UserID})
		if err != nil {
			return fmt.Errorf("find the notification: %w", err)
		}
		if len(own) == 0 {
			refusal := care.Errorf(care.NotFound, "no such notification in your inbox")
			return outbox.Deny(cmd, refusal, care.SelfManage, care.Ref{Kind: "notification", ID: id}, nil, nil)
		}
		_, _, err = apply(ctx, tx, cmd, Read, Target{IDs: []uuid.UUID{id}}, care.PageCursor{})
		return err
	})
}

// Opened records that the link of a message was opened, once if count is true, and returns its
// notification. The error for an unknown delivery is care.NotFound.
func (s *Service) Opened(ctx context.Context, deliveryID uuid.UUID, count bool) (uuid.UUID, error) {
	var row db.DeliveryOpenedRow
	err := s.writer.Read(ctx, care.SystemActor("link"), func(tx pgx.Tx) (err error) {
		row, err = db.New(tx).DeliveryOpened(ctx, db.DeliveryOpenedParams{ID: deliveryID, Count: count})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, care.Errorf(care.NotFound, "no such message")
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("open link: %w", err)
	}
	return row.NotificationID, nil
}

// place returns where the target ends in the actor's inbox.
func (s *Service) place(ctx context.Context, actor care.Actor, t Target) (care.PageCursor, error) {
	var at db.InboxPositionRow
	err := s.writer.Read(ctx, actor, func(tx pgx.Tx) (err error) {
		if t.UpTo != uuid.Nil {
			at, err = db.New(tx).InboxPosition(ctx, db.InboxPositionParams{ID: t.UpTo, RecipientID: actor.UserID})
			return err
		}
		last, err := db.New(tx).InboxPositionAt(ctx, db.InboxPositionAtParams{RecipientID: actor.UserID, EventPosition: t.UpToPosition})
		at = db.InboxPositionRow(last)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows) && t.UpTo != uuid.Nil:
		return care.PageCursor{}, care.Errorf(care.NotFound, "no such notification in your inbox")
	case errors.Is(err, pgx.ErrNoRows):
		return care.PageCursor{}, nil
	case err != nil:
		return care.PageCursor{}, fmt.Errorf("find the place in the inbox: %w", err)
	}
	return care.PageCursor{Time: at.CreatedAt, ID: at.ID}, nil
}

// markBatch marks at most markBatch notifications in one transaction.
func (s *Service) markBatch(ctx context.Context, cmd care.Command, mark Mark, t Target, until care.PageCursor) (m Marked, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
		m.Counts, m.More, err = apply(ctx, tx, cmd, mark, t, until)
		return err
	})
	if err != nil {
		return Marked{}, fmt.Errorf("mark notifications: %w", err)
	}
	return m, nil
}

// apply marks the next notifications of the target and appends the events. more reports that there
// may be others.
func apply(ctx context.Context, tx pgx.Tx, cmd care.Command, mark Mark, t Target, until care.PageCursor) (c Counts, more bool, err error) {
	q, person := db.New(tx), cmd.Actor.UserID
	// A statement of its own, so that the next ones see what the previous holder committed.
	if err := q.InboxLock(ctx, "inbox/"+person.String()); err != nil {
		return Counts{}, false, err
	}
	ids, positions, err := find(ctx, q, person, mark, t, until)
	if err != nil {
		return Counts{}, false, err
	}
	changed, err := q.InboxMark(ctx, db.InboxMarkParams{Mark: string(mark), RecipientID: person, Ids: ids, EventPositions: positions})
	if err != nil {
		return Counts{}, false, err
	}
	var events []event.Event
	if mark == Read && len(changed) > 0 {
		if events, err = readEvents(ctx, q, cmd, changed); err != nil {
			return Counts{}, false, err
		}
	}
	if err = count(ctx, person, &c)(db.New(tx))(); err != nil {
		return Counts{}, false, err
	}
	if len(changed) > 0 {
		e := event.New(cmd, "inbox.updated", care.Ref{Kind: "inbox", ID: person}, event.Inbox{UserID: person, Unread: c.Unread, Unseen: c.Unseen})
		events = append(events, e.About(cmd, person, nil))
	}
	return c, len(t.IDs) == 0 && len(ids) == markBatch, outbox.Append(ctx, tx, events...)
}

// find returns the notifications of the target that may have to be marked.
func find(ctx context.Context, q *db.Queries, person uuid.UUID, mark Mark, t Target, until care.PageCursor) (ids []uuid.UUID, positions []int64, err error) {
	var rows []db.InboxOfRow
	switch {
	case len(t.IDs) > 0:
		rows, err = q.InboxOf(ctx, db.InboxOfParams{Ids: t.IDs, RecipientID: person})
	case mark == Seen || mark == Read:
		rows, err = convert(q.InboxUnreadUpTo(ctx, db.InboxUnreadUpToParams{
			RecipientID: person, Unseen: mark == Seen, ToTime: until.Time, ToID: until.ID, RowLimit: markBatch,
		}))
	case mark == Unarchive:
		rows, err = convert(q.InboxArchivedUpTo(ctx, db.InboxArchivedUpToParams{
			RecipientID: person, ToTime: until.Time, ToID: until.ID, RowLimit: markBatch,
		}))
	default:
		rows, err = convert(q.InboxUpTo(ctx, db.InboxUpToParams{
			RecipientID: person, IsRead: mark == Unread, ToTime: until.Time, ToID: until.ID, RowLimit: markBatch,
		}))
	}
	// One order for the locks of all transactions.
	slices.SortFunc(rows, func(a, b db.InboxOfRow) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	for _, r := range rows {
		ids, positions = append(ids, r.ID), append(positions, r.EventPosition)
	}
	return ids, positions, err
}

func convert[T db.InboxUnreadUpToRow | db.InboxUpToRow | db.InboxArchivedUpToRow](rows []T, err error) ([]db.InboxOfRow, error) {
	all := make([]db.InboxOfRow, len(rows))
	for i, r := range rows {
		all[i] = db.InboxOfRow(r)
	}
	return all, err
}

// readEvents settles the deliveries of notifications that were read. It returns the events: one
// notification.read for each notification and for each delivery that became read, and
// notification.failed for each that was cancelled.
func readEvents(ctx context.Context, q *db.Queries, cmd care.Command, changed []db.InboxMarkRow) ([]event.Event, error) {
	var p db.InboxSettleReadParams
	var events []event.Event
	add := func(typ string, cause uuid.UUID, clinicID *uuid.UUID, data event.Delivery) {
		data.UserID = cmd.Actor.UserID
		e := event.New(cmd, typ, care.Ref{Kind: "notification", ID: data.NotificationID}, data).About(cmd, data.UserID, clinicID)
		e.CauseID = &cause
		events = append(events, e)
	}
	for _, n := range changed {
		p.Ids, p.EventPositions = append(p.Ids, n.ID), append(p.EventPositions, n.EventPosition)
		add("notification.read", n.EventID, n.ClinicID, event.Delivery{NotificationID: n.ID, DeliveryID: n.ID, Channel: care.ChannelInApp})
	}
	settled, err := q.InboxSettleRead(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("settle deliveries: %w", err)
	}
	for _, d := range settled {
		data := event.Delivery{
			NotificationID: d.NotificationID, DeliveryID: d.ID, Channel: d.Channel, Attempt: d.Attempt,
			Provider: d.Provider, ProviderID: d.ProviderID, PossibleDuplicate: d.PossibleDuplicate,
		}
		var clinicID *uuid.UUID
		if d.ClinicID != uuid.Nil {
			clinicID = &d.ClinicID
		}
		switch d.State {
		case "read":
			add("notification.read", d.EventID, clinicID, data)
		case "cancelled":
			data.State, data.Code = "cancelled", "read_in_app"
			add("notification.failed", d.EventID, clinicID, data)
		}
	}
	return events, nil
}
