package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/outbox"
)

func (s *Server) addReadMark() {
	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	register(s, operation{
		id: "mark-notification-read", method: http.MethodPut, path: "/api/notifications/{id}/read", tag: "me", summary: "Mark a notification as read",
		description: "Notes when the caller read one of their own notifications. The first time counts; it may be repeated. It takes no body.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.SelfManage, func(ctx context.Context, in *one) (*struct{}, error) {
		actor := infoOf(ctx).actor
		err := s.cfg.Writer.Read(ctx, actor, func(tx pgx.Tx) error { return notify.MarkRead(ctx, tx, actor.UserID, in.ID) })
		return nil, s.notTheirs(ctx, in.ID, err)
	})
}

// notTheirs commits to the audit trail that a notification was asked for which is none of the actor's, or does not exist.
// Other errors, and nil, are given back.
func (s *Server) notTheirs(ctx context.Context, id uuid.UUID, err error) error {
	refusal, ok := errors.AsType[*care.Error](err)
	if !ok || refusal.Code != care.NotFound {
		return err
	}
	return s.cfg.Writer.Audited(ctx, outbox.Deny(commandOf(ctx), refusal, care.SelfManage, care.Ref{Kind: "notification", ID: id}, nil, nil))
}
