package rest

import (
	"context"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

// Operations is what operators do beside what the API's own database role may. Whoever calls it has seen to it that the
// actor may; each redrive leaves an event with the command's actor.
type Operations interface {
	// FollowerRedrive lets a follower's handler work on an event that it passed over. What it still cannot handle is
	// care.Conflict.
	FollowerRedrive(ctx context.Context, cmd care.Command, follower string, position int64) error
	// DeliveryRedrive is notify.Redrive.
	DeliveryRedrive(ctx context.Context, cmd care.Command, id uuid.UUID) error
	// Rejections is ledger.Rejections.
	Rejections(ctx context.Context, after int64, limit int32) ([]ledger.DeadLetter, error)
	// RejectionRedrive is ledger.Requeue.
	RejectionRedrive(ctx context.Context, cmd care.Command, id int64) error
}
