package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/notify"
)

// SuppressionPage is one page of suppressions.
type SuppressionPage struct {
	Items []notify.Suppression `json:"items"`
	Next  string               `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

type suppressionsInput struct {
	UserID  uuid.UUID `query:"userId" format:"uuid" doc:"Only those of the addresses that this person has now, and of those to which messages for them went."`
	Channel string    `query:"channel" doc:"Only those that arose on this channel."`
	Reason  string    `query:"reason" enum:"hard_bounce,complaint,opted_out" doc:"Only those for this reason."`
	httpapi.Paging
}

// registerSuppressions adds the routes of suppressions.
func registerSuppressions(api *httpapi.Server, operations Operations, channels []string) {
	type output struct{ Body SuppressionPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-suppressions", Method: http.MethodGet, Path: "/api/suppressions",
		Tag: "operate", Action: care.OperationsRead,
		Summary: "List suppressions",
		Description: "The addresses that get no more messages, the last first: channel, reason and " +
			"person, never the address, of which only a keyed hash is stored. " + shortPages,
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *suppressionsInput) (*output, error) {
		before, err := httpapi.ParseCursor(in.Cursor, care.AfterAll)
		if err != nil {
			return nil, err
		}
		items, next, err := operations.ListSuppressions(ctx, notify.SuppressionFilter{
			UserID: in.UserID, Channel: in.Channel, Reason: in.Reason, Before: before, Limit: in.Limit,
		})
		return &output{SuppressionPage{items, next.String()}}, err
	})
	restrictChannel(api, "/api/suppressions", channels)

	type removeInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "remove-suppression", Method: http.MethodDelete, Path: "/api/suppressions/{id}",
		Tag: "operate", Action: care.OperationsRedrive,
		Summary: "Remove a suppression",
		Description: "Messages are sent to the address again. Remove a complaint or an opt-out only " +
			"if its owner asked for it; a person removes their own by verifying the address again. " +
			"The ledger records the caller (`user.address_suppression_lifted`).",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *removeInput) (*struct{}, error) {
		return nil, operations.RemoveSuppression(ctx, httpapi.CommandOf(ctx), in.ID)
	})
}
