package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/notify"
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
		return nil, s.cfg.Writer.Read(ctx, actor, func(tx pgx.Tx) error { return notify.MarkRead(ctx, tx, actor.UserID, in.ID) })
	})
}
