package rest

import (
	"context"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// PreferenceList is the caller's wish for every category on every channel.
type PreferenceList struct {
	Items []directory.Preference `json:"items"`
}

func registerPreferences(api *httpapi.Server, dir *directory.Service) {
	type list struct{ Body PreferenceList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-preferences", Method: http.MethodGet, Path: "/api/me/preferences", Tag: "me", Action: care.SelfManage,
		Summary:     "List one's preferences",
		Description: "Whether the caller wants to be told of each category on each channel. What was never set is wanted.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		preferences, err := dir.ListPreferences(ctx, httpapi.ActorOf(ctx))
		return &list{PreferenceList{preferences}}, err
	})

	type input struct{ Body directory.Preference }
	type output struct{ Body directory.Preference }
	httpapi.Register(api, httpapi.Operation{
		ID: "set-preference", Method: http.MethodPut, Path: "/api/me/preferences", Tag: "me", Action: care.SelfManage,
		Summary:     "Set a preference",
		Description: "Says whether the caller wants to be told of one category on one channel. It counts from the next event on.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *input) (*output, error) {
		return &output{in.Body}, dir.UpdatePreference(ctx, httpapi.CommandOf(ctx), in.Body)
	})
}
