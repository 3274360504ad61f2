package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// SignInList lists a person's sign-ins.
type SignInList struct {
	Items []directory.SignIn `json:"items"`
}

func registerSignIns(api *httpapi.Server, dir *directory.Service) {
	const path = usersPath + "/{id}/sign-ins"
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	}
	type list struct{ Body SignInList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-sign-ins", Method: http.MethodGet, Path: path, Tag: "users", Action: care.SignInManage,
		Summary: "List a person's sign-ins",
		Description: "The sign-ins at identity providers that are linked to the person, first " +
			"linked first. For administrators of every clinic where the person has a role, and " +
			"for operators. The read is audited.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*list, error) {
		items, err := dir.ListSignIns(ctx, httpapi.CommandOf(ctx), in.ID)
		return &list{SignInList{items}}, err
	})

	type one struct {
		ID       uuid.UUID `path:"id" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		SignInID uuid.UUID `path:"signInId" format:"uuid" doc:"The sign-in." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5f"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "unlink-sign-in", Method: http.MethodDelete, Path: path + "/{signInId}",
		Tag: "users", Action: care.SignInManage,
		Summary: "Unlink a sign-in",
		Description: "Removes a wrong link between a sign-in and a person: its next request is " +
			"denied, and the person's sessions and sockets end. Its email address does not link " +
			"it to the person again. Another sign-in with the person's verified address is " +
			"linked at its next use, and an invitation links any. For administrators of every " +
			"clinic where the person has a role, and for operators. Nobody can unlink their own " +
			"(409).",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, dir.UnlinkSignIn(ctx, httpapi.CommandOf(ctx), in.ID, in.SignInID)
	})
}
