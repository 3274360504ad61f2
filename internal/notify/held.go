package notify

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// heldBatch bounds the held notifications that one sweep releases, and those of one record that
	// a review releases.
	heldBatch = 500
	// retractedBeforeReview equals rule.ReasonRetractedBeforeReview.
	retractedBeforeReview = "retracted_before_review"
)

// Inserter inserts jobs. It is implemented by river.Client.
type Inserter interface {
	InsertManyFastTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) (int, error)
}

// Reviewed releases the patient's held notifications about a record, as far as the record is not
// held any more: their messages are queued, or suppressed if the record was retracted. It locks the
// notifications in the order of their ids. It handles at most heldBatch of them and leaves the rest
// to the sweep. A second call does nothing.
func Reviewed(ctx context.Context, tx pgx.Tx, jobs Inserter, subject string, patientID uuid.UUID) error {
	rows, err := db.New(tx).NotificationHeldOf(ctx, db.NotificationHeldOfParams{RecipientID: patientID, Subject: subject, MaxRows: heldBatch})
	if err != nil {
		return fmt.Errorf("read held notifications: %w", err)
	}
	return endHold(ctx, tx, jobs, rows)
}

// sweepHeld releases the notifications that have waited for the clinic's period. It returns how
// many it examined.
func (w *Worker) sweepHeld(ctx context.Context, jobs Inserter) (n int, err error) {
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		due, err := db.New(tx).NotificationHeldDue(ctx, heldBatch)
		if err != nil {
			return fmt.Errorf("read due notifications: %w", err)
		}
		all := make([]db.NotificationHeldOfRow, len(due))
		for i, r := range due {
			all[i] = db.NotificationHeldOfRow(r)
		}
		n = len(all)
		return endHold(ctx, tx, jobs, all)
	})
	if err != nil {
		return 0, fmt.Errorf("sweep held notifications: %w", err)
	}
	if n > 0 {
		w.cfg.Wake()
	}
	return n, nil
}

// endHold releases the locked notifications according to the current state of their records. Those
// of a record that a later version holds again go on waiting.
func endHold(ctx context.Context, tx pgx.Tx, jobs Inserter, all []db.NotificationHeldOfRow) error {
	if len(all) == 0 {
		return nil
	}
	records, err := holds(ctx, tx, all)
	if err != nil {
		return err
	}
	var longer db.NotificationHoldOnParams
	var free, retracted db.NotificationHoldEndParams
	for _, n := range all {
		r := records[recordOf(n.Subject)]
		end := &free
		switch {
		case r.Retracted:
			end = &retracted
		case r.HeldUntil.Year() > 1:
			longer.Ids = append(longer.Ids, n.ID)
			longer.EventPositions = append(longer.EventPositions, n.EventPosition)
			longer.HeldUntils = append(longer.HeldUntils, r.HeldUntil)
			continue
		}
		end.Ids = append(end.Ids, n.ID)
		end.EventPositions = append(end.EventPositions, n.EventPosition)
	}
	if len(longer.Ids) > 0 {
		if err := db.New(tx).NotificationHoldOn(ctx, longer); err != nil {
			return fmt.Errorf("hold notifications on: %w", err)
		}
	}
	deferred, err := deferHeld(ctx, tx, &free)
	if err != nil {
		return err
	}
	if err := appendEnded(ctx, tx, jobs, deferred); err != nil {
		return err
	}
	retracted.Retracted, retracted.Reason = true, retractedBeforeReview
	for _, p := range []db.NotificationHoldEndParams{free, retracted} {
		if len(p.Ids) == 0 {
			continue
		}
		rows, err := db.New(tx).NotificationHoldEnd(ctx, p)
		if err != nil {
			return fmt.Errorf("end the hold of notifications: %w", err)
		}
		if p.Retracted { // Without messages, nothing was to be sent.
			rows = slices.DeleteFunc(rows, func(r db.NotificationHoldEndRow) bool { return r.ID == uuid.Nil })
		}
		if err := appendEnded(ctx, tx, jobs, rows); err != nil {
			return err
		}
	}
	return nil
}

// deferHeld ends the wait of those notifications about which the scheduler has to decide, because
// their person may have quiet hours or a daily digest, and removes them from free. It returns their
// messages.
func deferHeld(ctx context.Context, tx pgx.Tx, free *db.NotificationHoldEndParams) ([]db.NotificationHoldEndRow, error) {
	if len(free.Ids) == 0 {
		return nil, nil
	}
	found, err := db.New(tx).NotificationHoldDefer(ctx, db.NotificationHoldDeferParams{Ids: free.Ids, EventPositions: free.EventPositions})
	if err != nil {
		return nil, fmt.Errorf("defer held notifications: %w", err)
	}
	rows := make([]db.NotificationHoldEndRow, len(found))
	deferred := map[uuid.UUID]bool{}
	for i, row := range found {
		rows[i] = db.NotificationHoldEndRow(row)
		deferred[row.NotificationID] = true
	}
	var left db.NotificationHoldEndParams
	for i, id := range free.Ids {
		if !deferred[id] {
			left.Ids = append(left.Ids, id)
			left.EventPositions = append(left.EventPositions, free.EventPositions[i])
		}
	}
	*free = left
	return rows, nil
}

// holds returns the state of the notifications' records. A record that is not held is left out.
func holds(ctx context.Context, tx pgx.Tx, all []db.NotificationHeldOfRow) (map[uuid.UUID]db.RecordHoldsRow, error) {
	ids := make([]uuid.UUID, len(all))
	for i, n := range all {
		ids[i] = recordOf(n.Subject)
	}
	rows, err := db.New(tx).RecordHolds(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up held records: %w", err)
	}
	byID := make(map[uuid.UUID]db.RecordHoldsRow, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, nil
}

// recordOf returns the id in a subject, or the zero id.
func recordOf(subject string) uuid.UUID {
	id, _ := event.SubjectID(subject)
	return id
}

// appendEnded inserts the jobs of queued deliveries and appends one event for each notification.
func appendEnded(ctx context.Context, tx pgx.Tx, jobs Inserter, rows []db.NotificationHoldEndRow) error {
	slices.SortFunc(rows, func(a, b db.NotificationHoldEndRow) int {
		return cmp.Or(bytes.Compare(a.NotificationID[:], b.NotificationID[:]), bytes.Compare(a.ID[:], b.ID[:]))
	})
	var queued []river.InsertManyParams
	var events []event.Event
	for len(rows) > 0 {
		first := rows[0]
		n := slices.IndexFunc(rows, func(r db.NotificationHoldEndRow) bool { return r.NotificationID != first.NotificationID })
		if n < 0 {
			n = len(rows)
		}
		data := event.Notification{NotificationID: first.NotificationID, UserID: first.RecipientID, Rule: first.Rule, RuleVersion: first.RuleVersion}
		for _, r := range rows[:n] {
			if r.ID == uuid.Nil {
				continue
			}
			data.Channels = append(data.Channels, event.ChannelDecision{Channel: r.Channel, DeliveryID: r.ID, State: r.State, Reason: r.Reason})
			if r.State == "queued" {
				queued = append(queued, river.InsertManyParams{Args: DeliveryArgs{DeliveryID: r.ID}, InsertOpts: JobOpts(r.Channel, r.Priority)})
			}
		}
		typ := "notification.planned"
		if first.ID == uuid.Nil {
			data.Channels = append(data.Channels, event.ChannelDecision{Channel: care.ChannelInApp, DeliveryID: first.NotificationID, State: "delivered", Reason: "rule " + first.Rule})
		} else if first.State == "planned" {
			typ = "notification.scheduled" // The scheduler decides about it.
		} else if first.State != "queued" {
			typ = "notification." + first.State
		}
		of := delivery{
			notificationID: first.NotificationID, eventID: first.EventID, recipientID: first.RecipientID, clinicID: first.ClinicID,
			correlationID: first.CorrelationID, traceparent: first.Traceparent,
		}
		events = append(events, of.event(typ, data))
		rows = rows[n:]
	}
	if len(queued) > 0 {
		if _, err := jobs.InsertManyFastTx(ctx, tx, queued); err != nil {
			return fmt.Errorf("insert jobs for held deliveries: %w", err)
		}
	}
	return outbox.Append(ctx, tx, events...)
}
