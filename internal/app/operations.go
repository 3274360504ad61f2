package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// operations is what operators do that needs the rights of the worker role. The API and the commands share it.
type operations struct {
	// writer is on the worker's pool.
	writer *outbox.Writer
	// river inserts jobs; it needs no workers.
	river *river.Client[pgx.Tx]
	// handlers are those of the followers, by name.
	handlers map[string]ledger.Handler
}

// checkFollower refuses a name that no follower has.
func checkFollower(name string) error {
	if slices.Contains(Followers(), name) {
		return nil
	}
	return care.Errorf(care.NotFound, "there is no follower %q: name one of %s", name, strings.Join(Followers(), ", "))
}

// FollowerRedrive lets a follower's handler work on an event that it passed over. The event that says who asked for it
// commits with that work.
func (o *operations) FollowerRedrive(ctx context.Context, cmd care.Command, name string, position int64) error {
	if err := checkFollower(name); err != nil {
		return err
	}
	err := ledger.Redrive(ctx, o.writer.Pool(), name, position, audited{o.handlers[name], cmd, name})
	refused, ok := errors.AsType[*care.Error](err)
	switch {
	case err == nil:
		return nil
	case ok && (refused.Code == care.NotFound || refused.Code == care.Conflict):
		return refused
	case postgres.Transient(err):
		return postgres.Translate(err)
	}
	return care.Errorf(care.Conflict, "follower %s still cannot handle position %d (%s): mend the cause, then redrive it again", name, position, postgres.SafeError(err))
}

// audited is a handler that tells who let it work.
type audited struct {
	ledger.Handler
	cmd      care.Command
	follower string
}

// HandlePart works on the one event that is redriven. Who redrove it is told with the last part.
func (a audited) HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (ledger.Progress, error) {
	progress, err := ledger.HandlePart(ctx, a.Handler, tx, batch)
	if err != nil {
		return progress, err
	}
	for _, e := range batch[:progress.Events] {
		told := redriven(a.cmd, "follower/"+a.follower, event.Redriven{EventID: e.ID, Follower: a.follower, Position: e.Position})
		if err := outbox.Append(ctx, tx, told); err != nil {
			return progress, err
		}
	}
	return progress, nil
}

// redriven is the event that says who put what to work again. It is told as caused by the event that was set aside, so
// that it stands in the story of what that one is about.
func redriven(cmd care.Command, subject string, data event.Redriven) event.Event {
	e := event.New(cmd, "ledger.redriven", care.Ref{}, data).About(cmd, uuid.Nil, nil)
	e.Subject, e.PersonID, e.CauseID = subject, nil, &data.EventID
	return e
}

// DeliveryRedrive queues a delivery again.
func (o *operations) DeliveryRedrive(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return notify.Redrive(ctx, o.writer.Pool(), o.river, knownChannels(), cmd, id)
}

// Rejections lists outbox rows that the ledger refused.
func (o *operations) Rejections(ctx context.Context, after int64, limit int32) ([]ledger.DeadLetter, error) {
	return ledger.ListDeadLetters(ctx, o.writer.Pool(), after, limit)
}

// RejectionRedrive puts such a row back into the outbox, with the event that says who did.
func (o *operations) RejectionRedrive(ctx context.Context, cmd care.Command, id int64) error {
	err := o.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		eventID, err := ledger.Requeue(ctx, tx, id)
		if err != nil {
			return err
		}
		return outbox.Append(ctx, tx, redriven(cmd, fmt.Sprintf("outbox/%d", id), event.Redriven{EventID: eventID, OutboxID: id}))
	})
	return err
}
