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

// FollowerList is where each follower stands.
type FollowerList struct {
	Items []ledger.FollowerStatus `json:"items"`
}

// FailurePage is one page of what a follower passed over.
type FailurePage struct {
	Items []ledger.Failure `json:"items"`
	Next  string           `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// registerFollowers adds the routes of what follows the ledger.
func registerFollowers(api *httpapi.Server, writer *outbox.Writer, operations Operations) {
	type output struct{ Body FollowerList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-followers", Method: http.MethodGet, Path: "/api/followers", Tag: "operate", Action: care.OperationsRead,
		Summary:     "See where the followers stand",
		Description: "Each follower of the ledger: how far it is, how much it has not come to yet, and how much it passed over.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*output, error) {
		all, err := ledger.Followers(ctx, writer.Pool())
		return &output{FollowerList{all}}, err
	})

	type listInput struct {
		Name string `path:"name" maxLength:"100" doc:"The follower's name, as /api/followers tells it."`
		httpapi.Paging
	}
	type listOutput struct{ Body FailurePage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-follower-failures", Method: http.MethodGet, Path: "/api/followers/{name}/failures", Tag: "operate", Action: care.OperationsRead,
		Summary:     "List what a follower passed over",
		Description: "The events that the follower could not handle and passed over, the oldest first, until they are redriven. An error tells classes and codes, never data.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := listFollowerFailures(ctx, writer, in.Name, in.Paging)
		return &listOutput{page}, err
	})

	type redriveInput struct {
		Name     string `path:"name" maxLength:"100" doc:"The follower's name, as /api/followers tells it."`
		Position int64  `path:"position" minimum:"1" doc:"The event's place in the ledger."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "redrive-follower-failure", Method: http.MethodPost, Path: "/api/followers/{name}/failures/{position}/redrive", Tag: "operate", Action: care.OperationsRedrive,
		Repeatable:  true,
		Summary:     "Let a follower handle an event that it passed over",
		Description: "Alone and out of order; once mended, it is redriven once. One that still cannot be handled is refused with 409 and keeps the new error. Who asked for it is in the ledger (`ledger.redriven`). It takes no body.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, operations.FollowerRedrive(ctx, httpapi.CommandOf(ctx), in.Name, in.Position)
	})
}

func listFollowerFailures(ctx context.Context, writer *outbox.Writer, name string, in httpapi.Paging) (page FailurePage, err error) {
	after, err := httpapi.ParseIDCursor(in.Cursor)
	if err != nil {
		return page, err
	}
	all, err := ledger.Followers(ctx, writer.Pool())
	if err != nil {
		return page, err
	}
	if !slices.ContainsFunc(all, func(f ledger.FollowerStatus) bool { return f.Name == name }) {
		return page, care.Errorf(care.NotFound, "there is no such follower; /api/followers lists those there are")
	}
	found, err := ledger.Failures(ctx, writer.Pool(), name, after, int32(in.Limit)+1)
	page.Items, page.Next = httpapi.Paginate(found, in.Limit, func(f ledger.Failure) string { return httpapi.EncodeIDCursor(f.Position) })
	return page, err
}
