package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// cutOffs returns the events that raise a cut-off, in the order of their subjects: all transactions
// lock subjects in that order. Nothing is planned about a version below the first.
func cutOffs(events []event.Event) (cuts []*event.Event) {
	for i := range events {
		if e := &events[i]; e.CutsOff && *e.SubjectVersion > 1 {
			cuts = append(cuts, e)
		}
	}
	slices.SortStableFunc(cuts, func(a, b *event.Event) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), cmp.Compare(*a.SubjectVersion, *b.SubjectVersion))
	})
	return cuts
}

// insertCuttingOff raises the cut-offs and inserts the events, in one round trip, and appends the
// events of what was cancelled. The cut-offs come first, as they may wait for a lock.
func insertCuttingOff(ctx context.Context, tx pgx.Tx, events []event.Event, cuts []*event.Event) error {
	var p db.CutoffRaiseParams
	for _, e := range cuts {
		p.Subjects, p.Versions = append(p.Subjects, e.Subject), append(p.Versions, *e.SubjectVersion)
		p.CauseEventIds, p.CauseTypes = append(p.CauseEventIds, e.ID), append(p.CauseTypes, e.Type)
	}
	statements := &queue{}
	var cancelled []db.CutoffRaiseRow
	statements.add(func(q *db.Queries) func() error {
		raised := q.CutoffRaise(ctx, []db.CutoffRaiseParams{p})
		return func() (err error) {
			raised.Query(func(_ int, rows []db.CutoffRaiseRow, failed error) {
				if err = failed; err != nil {
					err = fmt.Errorf("raise cut-off: %w", failed)
				}
				cancelled = rows
			})
			return err
		}
	})
	if err := insert(ctx, db.New(statements), events); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, &statements.Batch).Close(); err != nil {
		return err
	}
	return appendCancelled(ctx, tx, cuts, cancelled)
}

// CancelWaiting cancels what was planned for later about the subjects of these events while the
// events raised their cut-offs, and appends one notification.cancelled for each notification. It is
// for the planner, when it passes such an event; it runs as carewire_worker. A second call does
// nothing.
func CancelWaiting(ctx context.Context, tx pgx.Tx, causes []*event.Event) error {
	if len(causes) == 0 {
		return nil
	}
	causes = slices.SortedFunc(slices.Values(causes), func(a, b *event.Event) int { return strings.Compare(a.Subject, b.Subject) })
	var p db.CutoffCancelWaitingParams
	for _, e := range causes {
		p.Subjects, p.CauseEventIds = append(p.Subjects, e.Subject), append(p.CauseEventIds, e.ID)
	}
	rows, err := db.New(tx).CutoffCancelWaiting(ctx, p)
	if err != nil {
		return fmt.Errorf("cancel what waits: %w", err)
	}
	cancelled := make([]db.CutoffRaiseRow, len(rows))
	for i, row := range rows {
		cancelled[i] = db.CutoffRaiseRow(row)
	}
	return appendCancelled(ctx, tx, causes, cancelled)
}

// appendCancelled appends one event for each notification in the rows, which are in the order of the
// notifications. Its actor and its trace are those of the cause.
func appendCancelled(ctx context.Context, tx pgx.Tx, causes []*event.Event, rows []db.CutoffRaiseRow) error {
	var events []event.Event
	for len(rows) > 0 {
		n := slices.IndexFunc(rows, func(r db.CutoffRaiseRow) bool { return r.NotificationID != rows[0].NotificationID })
		if n < 0 {
			n = len(rows)
		}
		at := slices.IndexFunc(causes, func(e *event.Event) bool { return e.ID == rows[0].CauseEventID })
		events = append(events, cancelledEvent(causes[at], rows[:n]))
		rows = rows[n:]
	}
	return Append(ctx, tx, events...)
}

// cancelledEvent returns the event of a notification with its cancelled deliveries. A notification
// without any was a message in the inbox.
func cancelledEvent(cause *event.Event, rows []db.CutoffRaiseRow) event.Event {
	n := rows[0]
	data := event.Notification{NotificationID: n.NotificationID, UserID: n.RecipientID, Rule: n.Rule, RuleVersion: n.RuleVersion}
	for _, r := range rows {
		c := event.ChannelDecision{Channel: r.Channel, DeliveryID: r.DeliveryID, State: "cancelled", Reason: r.Reason}
		if r.DeliveryID == uuid.Nil {
			c.Channel, c.DeliveryID = care.ChannelInApp, n.NotificationID
		}
		data.Channels = append(data.Channels, c)
	}
	e := event.New(care.Command{}, "notification.cancelled", care.Ref{Kind: "notification", ID: n.NotificationID}, data)
	e.PersonID, e.ClinicID, e.CauseID = &n.RecipientID, care.NonZero(n.ClinicID), &n.EventID
	e.ActorID, e.ActorRole = cause.ActorID, cause.ActorRole
	e.CorrelationID, e.Traceparent = cause.CorrelationID, cause.Traceparent
	return e
}
