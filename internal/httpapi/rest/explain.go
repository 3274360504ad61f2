package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

func registerExplain(api *httpapi.Server, writer *outbox.Writer, known dispatch.Known) {
	type input struct {
		Event  uuid.UUID `query:"event" required:"true" format:"uuid" doc:"The event's id."`
		Person uuid.UUID `query:"person" format:"uuid" doc:"Only this person, with the preferences that were in force. If no rule names the person: the rules that come nearest."`
	}
	type output struct{ Body dispatch.Explanation }
	httpapi.Register(api, httpapi.Operation{
		ID: "explain-notifications", Method: http.MethodGet, Path: "/api/notifications/explain",
		Tag: "me", Action: care.NotificationReview,
		Summary: "Explain the notifications of an event",
		Description: "For each rule that matched the event: the decision for each recipient and " +
			"channel, the reason, and the state of the message. For operators; it has ids and " +
			"codes only.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		var out output
		err := writer.Read(ctx, httpapi.ActorOf(ctx), func(tx pgx.Tx) (err error) {
			if in.Person != uuid.Nil {
				out.Body, err = dispatch.ExplainPerson(ctx, tx, in.Event, in.Person, known.Known)
				return err
			}
			out.Body, err = dispatch.Explain(ctx, tx, in.Event)
			return err
		})
		return &out, err
	})
}
