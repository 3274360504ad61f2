package rest

import (
	"context"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/notify"
)

// Operations are the operations of operators that need more than the API's own database role. The
// caller has checked that the actor may perform them. Each redrive appends an event with the
// command's actor.
type Operations interface {
	// RedriveFailure calls a follower's handler with an event that it skipped. It returns
	// care.Conflict if the handler still fails.
	RedriveFailure(ctx context.Context, cmd care.Command, follower string, position int64) error
	// RedriveDelivery is notify.Redrive.
	RedriveDelivery(ctx context.Context, cmd care.Command, id uuid.UUID) error
	// ListDeadLetters is ledger.ListDeadLetters.
	ListDeadLetters(ctx context.Context, after int64, limit int32) ([]ledger.DeadLetter, error)
	// RedriveDeadLetter is ledger.Requeue.
	RedriveDeadLetter(ctx context.Context, cmd care.Command, id int64) error
	// DryRunRules is dispatch.Planner.DryRun; file is empty.
	DryRunRules(ctx context.Context, file string, in dispatch.DryRunRequest) (dispatch.DryRun, error)
	// ListSuppressions is notify.ListSuppressions.
	ListSuppressions(ctx context.Context, f notify.SuppressionFilter) (page []notify.Suppression, next care.PageCursor, err error)
	// RemoveSuppression is notify.RemoveSuppression.
	RemoveSuppression(ctx context.Context, cmd care.Command, id uuid.UUID) error
}
