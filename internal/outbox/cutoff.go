package outbox

import (
	"bytes"
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
// events of what ended. The cut-offs come first, as they may wait for a lock.
func insertCuttingOff(ctx context.Context, tx pgx.Tx, events []event.Event, cuts []*event.Event) error {
	var p db.CutoffRaiseParams
	for _, e := range cuts {
		p.Subjects, p.Versions = append(p.Subjects, e.Subject), append(p.Versions, *e.SubjectVersion)
		p.CauseEventIds, p.CauseTypes = append(p.CauseEventIds, e.ID), append(p.CauseTypes, e.Type)
		p.RecipientIds = append(p.RecipientIds, uuid.Nil)
	}
	statements := &queue{}
	var ended []db.CutoffRaiseRow
	statements.add(func(q *db.Queries) func() error {
		raised := q.CutoffRaise(ctx, []db.CutoffRaiseParams{p})
		return func() (err error) {
			ended, err = cutoffRows(raised)
			return err
		}
	})
	if err := insert(ctx, db.New(statements), events); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, &statements.Batch).Close(); err != nil {
		return err
	}
	return appendEnded(ctx, tx, cuts, ended)
}

func cutoffRows(raised *db.CutoffRaiseBatchResults) (all []db.CutoffRaiseRow, err error) {
	raised.Query(func(_ int, rows []db.CutoffRaiseRow, failed error) {
		if err = failed; err != nil {
			err = fmt.Errorf("raise cut-off: %w", failed)
		}
		all = rows
	})
	return all, err
}

// CauseRead is the cause of a cut-off that reading raises, which appends no event.
const CauseRead = "read"

// PersonalCutOff makes untrue, for one person, what was announced about versions of a conversation
// below Version: messages that the person has read, or any message to somebody who has left.
type PersonalCutOff struct {
	ConversationID uuid.UUID
	PersonID       uuid.UUID
	Version        int64
	// Cause is the type of the event that raised it, or CauseRead.
	Cause string
}

func (c PersonalCutOff) subject() string {
	return care.Ref{Kind: "conversation", ID: c.ConversationID}.String()
}

// CutOff raises personal cut-offs. What waited for its time is cancelled, with one
// notification.cancelled for each notification. What a planner plans at the same time is cancelled
// when it is due.
func CutOff(ctx context.Context, tx pgx.Tx, cmd care.Command, cuts ...PersonalCutOff) error {
	if len(cuts) == 0 {
		return nil
	}
	cuts = slices.SortedFunc(slices.Values(cuts), func(a, b PersonalCutOff) int {
		return cmp.Or(strings.Compare(a.subject(), b.subject()), bytes.Compare(a.PersonID[:], b.PersonID[:]))
	})
	var p db.CutoffRaiseParams
	for _, c := range cuts {
		p.Subjects, p.Versions, p.RecipientIds = append(p.Subjects, c.subject()), append(p.Versions, c.Version), append(p.RecipientIds, c.PersonID)
		p.CauseEventIds, p.CauseTypes = append(p.CauseEventIds, uuid.Nil), append(p.CauseTypes, c.Cause)
	}
	ended, err := cutoffRows(db.New(tx).CutoffRaise(ctx, []db.CutoffRaiseParams{p}))
	if err != nil {
		return err
	}
	events := endedEvents(cmd, nil, ended)
	if err := checkAll(events); err != nil || len(events) == 0 {
		return err
	}
	// They are not what a repeated request answers with, as Append's are.
	return insert(ctx, db.New(tx), events)
}

// ApplyCutOffs cancels what was planned for later about the subjects of these events while the events
// raised their cut-offs, and ends escalations that were. It appends the same events as raising them
// does. It is for the planner, when it passes such an event; it runs as carewire_worker. A second
// call does nothing.
func ApplyCutOffs(ctx context.Context, tx pgx.Tx, causes []*event.Event) error {
	if len(causes) == 0 {
		return nil
	}
	causes = slices.SortedFunc(slices.Values(causes), func(a, b *event.Event) int { return strings.Compare(a.Subject, b.Subject) })
	var p db.CutoffApplyParams
	for _, e := range causes {
		p.Subjects, p.CauseEventIds = append(p.Subjects, e.Subject), append(p.CauseEventIds, e.ID)
	}
	rows, err := db.New(tx).CutoffApply(ctx, p)
	if err != nil {
		return fmt.Errorf("apply cut-offs: %w", err)
	}
	ended := make([]db.CutoffRaiseRow, len(rows))
	for i, row := range rows {
		ended[i] = db.CutoffRaiseRow(row)
	}
	return appendEnded(ctx, tx, causes, ended)
}

// appendEnded appends the events of the rows. Their actor and their trace are those of the cause.
func appendEnded(ctx context.Context, tx pgx.Tx, causes []*event.Event, rows []db.CutoffRaiseRow) error {
	return Append(ctx, tx, endedEvents(care.Command{}, causes, rows)...)
}

// endedEvents returns one event for each notification in the rows, and one for each event and rule
// with ended escalations. The rows of each follow each other.
func endedEvents(cmd care.Command, causes []*event.Event, rows []db.CutoffRaiseRow) (events []event.Event) {
	for len(rows) > 0 {
		first := &rows[0]
		n := slices.IndexFunc(rows, func(r db.CutoffRaiseRow) bool {
			return r.NotificationID != first.NotificationID || r.EventID != first.EventID || (r.Step >= 0 && r.Rule != first.Rule)
		})
		if n < 0 {
			n = len(rows)
		}
		var e event.Event
		if first.Step >= 0 {
			e = EscalationEnded(cmd, event.EscalationEnd{
				EventID: first.EventID, Rule: first.Rule, RuleVersion: first.RuleVersion, Step: first.Step, Reason: first.Reason, EscalationsEnded: int32(n),
			}, care.NonZero(first.ClinicID))
		} else {
			e = cancelledEvent(cmd, rows[:n])
		}
		e.CauseID = &first.EventID
		if at := slices.IndexFunc(causes, func(c *event.Event) bool { return c.ID == first.CauseEventID }); at >= 0 {
			cause := causes[at]
			e.ActorID, e.ActorRole = cause.ActorID, cause.ActorRole
			e.CorrelationID, e.Traceparent = cause.CorrelationID, cause.Traceparent
		}
		events = append(events, e)
		rows = rows[n:]
	}
	return events
}

// cancelledEvent returns the event of a notification with its cancelled deliveries. A notification
// without any was a message in the inbox.
func cancelledEvent(cmd care.Command, rows []db.CutoffRaiseRow) event.Event {
	n := &rows[0]
	data := event.Notification{NotificationID: n.NotificationID, UserID: n.RecipientID, Rule: n.Rule, RuleVersion: n.RuleVersion}
	for _, r := range rows {
		c := event.ChannelDecision{Channel: r.Channel, DeliveryID: r.DeliveryID, State: "cancelled", Reason: r.Reason}
		if r.DeliveryID == uuid.Nil {
			c.Channel, c.DeliveryID = care.ChannelInApp, n.NotificationID
		}
		data.Channels = append(data.Channels, c)
	}
	return event.New(cmd, "notification.cancelled", care.Ref{Kind: "notification", ID: n.NotificationID}, data).
		About(cmd, n.RecipientID, care.NonZero(n.ClinicID))
}

// EscalationEnded returns the event of the steps of a rule that do not follow any more, because a
// cut-off made their event untrue.
func EscalationEnded(cmd care.Command, data event.EscalationEnd, clinicID *uuid.UUID) event.Event {
	e := event.New(cmd, "notification.escalation_ended", care.Ref{Kind: "escalation", ID: data.EventID}, data).At(cmd, clinicID)
	e.CauseID = &data.EventID
	return e
}
