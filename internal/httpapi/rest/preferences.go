package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// PreferenceList has the caller's preference for every category on every channel.
type PreferenceList struct {
	Items []directory.Preference `json:"items"`
}

func registerPreferences(api *httpapi.Server, dir *directory.Service) {
	type list struct{ Body PreferenceList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-preferences", Method: http.MethodGet, Path: "/api/me/preferences",
		Tag: "me", Action: care.SelfManage,
		Summary: "List own preferences",
		Description: "Whether the caller wants notifications of each category on each channel. " +
			"The default is yes.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		preferences, err := dir.ListPreferences(ctx, httpapi.ActorOf(ctx))
		return &list{PreferenceList{preferences}}, err
	})

	type input struct{ Body directory.Preference }
	type output struct{ Body directory.Preference }
	httpapi.Register(api, httpapi.Operation{
		ID: "set-preference", Method: http.MethodPut, Path: "/api/me/preferences", Tag: "me", Action: care.SelfManage,
		Summary: "Set a preference",
		Description: "Turns notifications of one category on one channel on or off. It applies " +
			"from the next event.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *input) (*output, error) {
		return &output{in.Body}, dir.UpdatePreference(ctx, httpapi.CommandOf(ctx), in.Body)
	})
	restrict(api.OpenAPI().Components.Schemas.Map()["Preference"].Properties["channel"], dir.Channels())
}

// restrict limits a schema to values that are known at run time only, such as the names of the
// channels: a struct tag cannot list them.
func restrict(schema *huma.Schema, values []string) {
	schema.Enum, schema.MinLength, schema.MaxLength = nil, nil, nil
	for _, value := range values {
		schema.Enum = append(schema.Enum, value)
	}
	schema.PrecomputeMessages()
}
