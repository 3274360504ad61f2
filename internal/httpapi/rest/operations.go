package rest

import (
	"context"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

// Operations are the operations of operators that need more than the API's own database role. The
// caller has checked that the actor may perform them. Each redrive appends an event with the
// command's actor.
type Operations interface {
	// FollowerRedrive calls a follower's handler with an event that it skipped. It returns
	// care.Conflict if the handler still fails.
	FollowerRedrive(ctx context.Context, cmd care.Command, follower string, position int64) error
	// DeliveryRedrive is notify.Redrive.
	DeliveryRedrive(ctx context.Context, cmd care.Command, id uuid.UUID) error
	// Rejections is ledger.Rejections.
	Rejections(ctx context.Context, after int64, limit int32) ([]ledger.DeadLetter, error)
	// RejectionRedrive is ledger.Requeue.
	RejectionRedrive(ctx context.Context, cmd care.Command, id int64) error
}
