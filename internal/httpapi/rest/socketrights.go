package rest

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
)

// Sessions returns the function that authenticates a bearer token; sockets refresh with it.
func Sessions(v *auth.Verifier, dir *directory.Service) func(ctx context.Context, token string) (realtime.Session, error) {
	return func(ctx context.Context, token string) (realtime.Session, error) {
		claims, err := v.Verify(ctx, token)
		if err != nil {
			return realtime.Session{}, err
		}
		actor, err := dir.GetActorByIdentity(ctx, claims.Identity())
		if err != nil {
			return realtime.Session{}, err
		}
		return realtime.Session{Actor: actor, ExpiresAt: claims.ExpiresAt}, nil
	}
}

// Rights returns the authorizer of sockets.
func Rights(dir *directory.Service, conversations *chat.Service) realtime.Authorizer {
	return socketRights{dir, conversations}
}

type socketRights struct {
	*directory.Service
	chat *chat.Service
}

// InConversation implements realtime.Authorizer.
func (r socketRights) InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error) {
	return r.chat.InConversation(ctx, userID, conversationID)
}

// Denials returns the function for realtime.Config.Denied: it commits a denied room to the audit
// trail.
func Denials(writer *outbox.Writer) func(ctx context.Context, d realtime.DeniedRoom) error {
	return func(ctx context.Context, d realtime.DeniedRoom) error {
		cmd := care.Command{Actor: d.Actor, Client: d.Client}
		answer := care.Errorf(care.Forbidden, "room refused") // The audit trail keeps only its code.
		e := outbox.Deny(cmd, answer, "room.join", care.Ref{}, d.PersonID, d.ClinicID).Event
		e.Subject = "room/" + d.Room
		return writer.InTx(ctx, cmd, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, e) })
	}
}
