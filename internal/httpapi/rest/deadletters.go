package rest

import (
	"context"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/ledger"
)

// Rejection is a dead letter of the ledger. Clients know its schema by this name.
type Rejection ledger.DeadLetter

// RejectionPage is one page of outbox rows that the ledger rejected.
type RejectionPage struct {
	Items []Rejection `json:"items"`
	Next  string      `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

// registerDeadLetters adds the routes of outbox rows that the ledger rejected.
func registerDeadLetters(api *httpapi.Server, operations Operations) {
	type listInput struct{ httpapi.Paging }
	type listOutput struct{ Body RejectionPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-rejected", Method: http.MethodGet, Path: "/api/outbox/rejected",
		Tag: "operate", Action: care.OperationsRead,
		Summary: "List outbox rows that the ledger rejected",
		Description: "Oldest first, until they are redriven. The content of a row is not shown: " +
			"it bypassed the checks and can be anything.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		after, err := httpapi.ParseIDCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		all, err := operations.ListDeadLetters(ctx, after, int32(in.Limit)+1)
		all, next := care.Paginate(all, in.Limit, func(r ledger.DeadLetter) string { return httpapi.EncodeIDCursor(r.ID) })
		page := RejectionPage{Items: make([]Rejection, len(all)), Next: next}
		for i, r := range all {
			page.Items[i] = Rejection(r)
		}
		return &listOutput{page}, err
	})

	type redriveInput struct {
		ID int64 `path:"id" minimum:"1"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "redrive-rejected", Method: http.MethodPost, Path: "/api/outbox/rejected/{id}/redrive",
		Tag: "operate", Action: care.OperationsRedrive,
		Repeatable: true,
		Summary:    "Redrive an outbox row that the ledger rejected",
		Description: "Appends the row to the outbox again, after the row or the cause was fixed. " +
			"Returns 409 if the outbox does not accept it, or if it was already redriven; if the " +
			"ledger rejects it again, it gets a new id. The ledger records the caller " +
			"(`ledger.redriven`). It takes no body.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, operations.RedriveDeadLetter(ctx, httpapi.CommandOf(ctx), in.ID)
	})
}
