package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

func registerClinicSettings(api *httpapi.Server, dir *directory.Service) {
	const path = clinicsPath + "/{id}/settings"
	type output = versioned[directory.ClinicSettings]
	answer := func(set directory.ClinicSettings, err error) (*output, error) {
		return newVersioned(http.StatusOK, set.Version, set), err
	}
	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic-settings", Method: http.MethodGet, Path: path, Tag: "clinics", Action: care.ClinicRead,
		Summary: "Get a clinic's settings",
		Description: "For everybody of the clinic. If nothing was set, `version` is 0 and there " +
			"is no ETag.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*output, error) {
		set, err := dir.GetClinicSettings(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, set.Version, set), err
	})

	type putInput struct {
		ID      uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the settings to replace; left out if none are set."`
		Body    directory.Settings
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-clinic-settings", Method: http.MethodPut, Path: path, Tag: "clinics", Action: care.ClinicConfigure,
		Summary: "Set a clinic's settings",
		Description: "Replaces all settings, for the clinic's administrators. They apply to " +
			"everything that is written afterwards. A stale `If-Match` returns 412 with the " +
			"current ETag.",
		Refusals: []care.Code{care.Forbidden, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*output, error) {
			return answer(dir.UpdateClinicSettings(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	})
}
