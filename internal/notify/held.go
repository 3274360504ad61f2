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

	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// heldBatch is how many held notifications one sweep ends at most, and how many of one record a review does.
	heldBatch = 500
	// retractedBeforeReview is rule.ReasonRetractedBeforeReview.
	retractedBeforeReview = "retracted_before_review"
)

// Inserter is the part of River's client that queues messages.
type Inserter interface {
	InsertManyFastTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) (int, error)
}

// heldRow is a notification that waits, with what may become of it.
type heldRow struct {
	id       uuid.UUID
	position int64
	verdict  string
}

// Reviewed ends the waiting of what the patient is to be told of the record, as far as the record is not held any more: the
// messages are queued, or suppressed where the record was retracted. It locks the notifications in the order of their ids.
// What is more than it takes on is left to the sweep. Called again, it does nothing.
func Reviewed(ctx context.Context, tx pgx.Tx, jobs Inserter, subject string, patientID uuid.UUID) error {
	rows, err := db.New(tx).NotificationHeldOf(ctx, db.NotificationHeldOfParams{RecipientID: patientID, Subject: subject, MaxRows: heldBatch})
	if err != nil {
		return fmt.Errorf("read held notifications: %w", err)
	}
	all := make([]heldRow, len(rows))
	for i, r := range rows {
		all[i] = heldRow{r.ID, r.EventPosition, r.Verdict}
	}
	return endHold(ctx, tx, jobs, all)
}

// sweepHeld ends the waiting of what has waited for the clinic's period. It returns how many notifications it looked at.
func (w *Worker) sweepHeld(ctx context.Context, jobs Inserter) (int, error) {
	var all []heldRow
	err := postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := db.New(tx).NotificationHeldDue(ctx, heldBatch)
		if err != nil {
			return fmt.Errorf("read due notifications: %w", err)
		}
		for _, r := range rows {
			all = append(all, heldRow{r.ID, r.EventPosition, r.Verdict})
		}
		return endHold(ctx, tx, jobs, all)
	})
	if err != nil {
		return 0, fmt.Errorf("sweep held notifications: %w", err)
	}
	if len(all) > 0 {
		w.cfg.Ring()
	}
	return len(all), nil
}

// endHold does with each what its verdict says.
func endHold(ctx context.Context, tx pgx.Tx, jobs Inserter, all []heldRow) error {
	free, retracted, held := split(all, "free"), split(all, "retracted"), split(all, "held")
	if len(held.Ids) > 0 {
		err := db.New(tx).NotificationHoldOn(ctx, db.NotificationHoldOnParams{Ids: held.Ids, EventPositions: held.EventPositions})
		if err != nil {
			return fmt.Errorf("hold notifications on: %w", err)
		}
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
		if err := tellEnded(ctx, tx, jobs, rows); err != nil {
			return err
		}
	}
	return nil
}

func split(all []heldRow, verdict string) (p db.NotificationHoldEndParams) {
	for _, r := range all {
		if r.verdict == verdict {
			p.Ids = append(p.Ids, r.id)
			p.EventPositions = append(p.EventPositions, r.position)
		}
	}
	return p
}

// tellEnded inserts the jobs of what is queued, and appends one event a notification.
func tellEnded(ctx context.Context, tx pgx.Tx, jobs Inserter, rows []db.NotificationHoldEndRow) error {
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
			data.Channels = append(data.Channels, event.ChannelDecision{Channel: r.Channel, DeliveryID: r.ID, State: r.State, Reason: r.Reason})
			if r.State == "queued" {
				queued = append(queued, river.InsertManyParams{Args: DeliveryArgs{DeliveryID: r.ID}, InsertOpts: JobOpts(r.Channel, r.Priority)})
			}
		}
		typ := "notification.planned"
		if first.State != "queued" {
			typ = "notification.suppressed"
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
