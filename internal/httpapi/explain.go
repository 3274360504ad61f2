package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/dispatch"
)

func (s *Server) addExplain() {
	type input struct {
		Event uuid.UUID `query:"event" required:"true" format:"uuid" doc:"The event's id."`
	}
	type output struct{ Body dispatch.Explanation }
	register(s, operation{
		id: "explain-notifications", method: http.MethodGet, path: "/api/notifications/explain", tag: "me", summary: "Say why people were told of an event, or were not",
		description: "For each rule that matched the event: what it decided for each recipient and channel, why, and what became of the message. For operators; it holds ids and codes only.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.NotificationReview, func(ctx context.Context, in *input) (*output, error) {
		var out output
		err := s.cfg.Writer.Read(ctx, infoOf(ctx).actor, func(tx pgx.Tx) (err error) {
			out.Body, err = dispatch.Explain(ctx, tx, in.Event)
			return err
		})
		return &out, err
	})
}
