package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

func registerClinicBrand(api *httpapi.Server, dir *directory.Service) {
	const path = clinicsPath + "/{id}/brand"
	type output = versioned[directory.ClinicBrand]
	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic-brand", Method: http.MethodGet, Path: path, Tag: "clinics", Action: care.ClinicRead,
		Summary: "Get a clinic's brand",
		Description: "How the clinic's messages look, for everybody of the clinic and for operators. " +
			"If nothing was set, `version` is 0 and there is no ETag.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*output, error) {
		set, err := dir.GetClinicBrand(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, set.Version, set), err
	})

	type putInput struct {
		ID      uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the brand to replace; left out if none is set."`
		Body    directory.Brand
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-clinic-brand", Method: http.MethodPut, Path: path, Tag: "clinics", Action: care.ClinicBrandWrite,
		Summary: "Set a clinic's brand",
		Description: "Replaces the brand, for the clinic's administrators and for operators. Messages " +
			"that are sent afterwards have it. A stale `If-Match` returns 412 with the current ETag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*output, error) {
			set, err := dir.UpdateClinicBrand(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body)
			return newVersioned(http.StatusOK, set.Version, set), err
		})
	})
}
