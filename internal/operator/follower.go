package operator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// FollowerStatus is the position and lag of a follower.
type FollowerStatus = ledger.FollowerStatus

// Failure is an event that a follower failed to handle and skipped.
type Failure = ledger.Failure

// FollowerNames returns the names of all followers of the ledger: the planner, then the listeners
// in alphabetical order.
func FollowerNames(listeners map[string]ledger.Handler) []string {
	return append([]string{dispatch.Follower}, slices.Sorted(maps.Keys(listeners))...)
}

// FollowerHandlers returns the handlers of all followers, by name.
func FollowerHandlers(listeners map[string]ledger.Handler, planner *dispatch.Planner) map[string]ledger.Handler {
	handlers := maps.Clone(listeners)
	handlers[dispatch.Follower] = planner
	return handlers
}

// checkFollower returns care.NotFound for a name that no follower has.
func (o *Operator) checkFollower(name string) error {
	if slices.Contains(o.followers, name) {
		return nil
	}
	return care.Errorf(care.NotFound, "unknown follower %q; want one of %s", name, strings.Join(o.followers, ", "))
}

// ListFollowers returns the position, lag and number of open failures of each follower.
func (o *Operator) ListFollowers(ctx context.Context) (all []FollowerStatus, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		all, err = ledger.ListFollowers(ctx, pool)
		return err
	})
	return all, err
}

// ListFailures returns at most limit events after a position that a follower skipped. An empty name
// returns those of every follower.
func (o *Operator) ListFailures(ctx context.Context, name string, after int64, limit int32) (failures []Failure, err error) {
	if name != "" {
		if err := o.checkFollower(name); err != nil {
			return nil, err
		}
	}
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		failures, err = ledger.ListFailures(ctx, pool, name, after, limit)
		return err
	})
	return failures, err
}

// RedriveFailure runs a follower's handler on an event that it skipped. The event that records who
// redrove it commits with the handler's work. An event that still cannot be handled returns
// care.Conflict.
func (o *Operator) RedriveFailure(ctx context.Context, cmd care.Command, name string, position int64) error {
	if err := o.checkFollower(name); err != nil {
		return err
	}
	return o.withJobs(ctx, func(j *jobs) error {
		err := ledger.Redrive(ctx, j.writer.Pool(), name, position, audited{j.handlers[name], cmd, name})
		denied, ok := errors.AsType[*care.Error](err)
		switch {
		case err == nil:
			return nil
		case ok && (denied.Code == care.NotFound || denied.Code == care.Conflict):
			return denied
		case postgres.Transient(err):
			return postgres.Translate(err)
		}
		return care.Errorf(care.Conflict, "follower %s still cannot handle position %d (%s): fix the cause, then redrive it again", name, position, postgres.SafeError(err))
	})
}

// audited is a handler that records who redrove an event.
type audited struct {
	ledger.Handler
	cmd      care.Command
	follower string
}

// HandlePart handles the one event that is redriven. The last part appends the event that records
// the redrive.
func (a audited) HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (ledger.Progress, error) {
	progress, err := ledger.HandlePart(ctx, a.Handler, tx, batch)
	if err != nil {
		return progress, err
	}
	for _, e := range batch[:progress.Events] {
		record := redriven(a.cmd, "follower/"+a.follower, event.Redriven{EventID: e.ID, Follower: a.follower, Position: e.Position})
		if err := outbox.Append(ctx, tx, record); err != nil {
			return progress, err
		}
	}
	return progress, nil
}

// redriven returns the event that records a redrive. Its cause is the event that was dead-lettered,
// so that it is part of the audit trail of that event's subject.
func redriven(cmd care.Command, subject string, data event.Redriven) event.Event {
	e := event.New(cmd, "ledger.redriven", care.Ref{}, data).About(cmd, uuid.Nil, nil)
	e.Subject, e.PersonID, e.CauseID = subject, nil, &data.EventID
	return e
}
