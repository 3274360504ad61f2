package rest

import (
	"context"
	"net/http"
	"slices"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
)

// FollowerList lists the followers.
type FollowerList struct {
	Items []ledger.FollowerStatus `json:"items"`
}

// FailurePage is one page of the events that a follower skipped.
type FailurePage struct {
	Items []ledger.Failure `json:"items"`
	Next  string           `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

// registerFollowers adds the routes of the ledger's followers.
func registerFollowers(api *httpapi.Server, writer *outbox.Writer, operations Operations) {
	type output struct{ Body FollowerList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-followers", Method: http.MethodGet, Path: "/api/followers",
		Tag: "operate", Action: care.OperationsRead,
		Summary: "List followers",
		Description: "The position of each follower of the ledger, the number of events that it " +
			"has not handled yet, and the number that it skipped.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*output, error) {
		all, err := ledger.ListFollowers(ctx, writer.Pool())
		return &output{FollowerList{all}}, err
	})

	type listInput struct {
		Name string `path:"name" maxLength:"100" doc:"The follower's name in /api/followers."`
		httpapi.Paging
	}
	type listOutput struct{ Body FailurePage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-follower-failures", Method: http.MethodGet, Path: "/api/followers/{name}/failures",
		Tag: "operate", Action: care.OperationsRead,
		Summary: "List the events that a follower skipped",
		Description: "The events that the follower could not handle and skipped, oldest first, " +
			"until they are redriven. Errors have classes and codes, never data.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := listFollowerFailures(ctx, writer, in.Name, in.Paging)
		return &listOutput{page}, err
	})

	type redriveInput struct {
		Name     string `path:"name" maxLength:"100" doc:"The follower's name in /api/followers."`
		Position int64  `path:"position" minimum:"1" doc:"The event's position in the ledger."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "redrive-follower-failure", Method: http.MethodPost, Path: "/api/followers/{name}/failures/{position}/redrive",
		Tag: "operate", Action: care.OperationsRedrive,
		Repeatable: true,
		Summary:    "Redrive an event that a follower skipped",
		Description: "The follower handles this event alone and out of order. It can succeed " +
			"once. An event that still cannot be handled returns 409 and keeps the new error. " +
			"The ledger records the caller (`ledger.redriven`). It takes no body.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, operations.RedriveFailure(ctx, httpapi.CommandOf(ctx), in.Name, in.Position)
	})
}

func listFollowerFailures(ctx context.Context, writer *outbox.Writer, name string, in httpapi.Paging) (page FailurePage, err error) {
	after, err := httpapi.ParseIDCursor(in.Cursor)
	if err != nil {
		return page, err
	}
	all, err := ledger.ListFollowers(ctx, writer.Pool())
	if err != nil {
		return page, err
	}
	if !slices.ContainsFunc(all, func(f ledger.FollowerStatus) bool { return f.Name == name }) {
		return page, care.Errorf(care.NotFound, "unknown follower; see /api/followers")
	}
	found, err := ledger.ListFailures(ctx, writer.Pool(), name, after, int32(in.Limit)+1)
	page.Items, page.Next = care.Paginate(found, in.Limit, func(f ledger.Failure) string {
		return httpapi.EncodeIDCursor(f.Position)
	})
	return page, err
}
