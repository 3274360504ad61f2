package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

const clinicsPath = "/api/clinics"

type clinicOutput = versioned[directory.Clinic]

func registerClinics(api *httpapi.Server, dir *directory.Service) {
	api.AddCollection(httpapi.Collection{Kind: "clinic", Path: clinicsPath})
	type listInput struct{ httpapi.Paging }
	type list struct{ Body directory.ClinicPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-clinics", Method: http.MethodGet, Path: clinicsPath, Tag: "clinics", Action: care.ClinicRead,
		Summary:     "List clinics",
		Description: "The clinics where the caller has a role; all clinics for operators.",
		Refusals:    []care.Code{care.Invalid},
	}, func(ctx context.Context, in *listInput) (*list, error) {
		page, err := dir.ListClinics(ctx, httpapi.ActorOf(ctx), directory.ClinicFilter{Cursor: in.Cursor, Limit: in.Limit})
		return &list{page}, err
	})

	type one struct {
		ID          uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic", Method: http.MethodGet, Path: clinicsPath + "/{id}",
		Tag: "clinics", Action: care.ClinicRead,
		Summary:     "Get a clinic",
		Description: "Returns 404 if it is not one of the caller's clinics.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*clinicOutput, error) {
		c, err := dir.GetClinic(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, c.Version, c), err
	})
	registerClinicWrites(api, dir)
	registerClinicSettings(api, dir)
	registerClinicBrand(api, dir)
	registerMembers(api, dir)
	registerCareTeams(api, dir)
}

func currentClinic(c directory.Clinic, err error) (*clinicOutput, error) {
	return newVersioned(http.StatusOK, c.Version, c), err
}

func createdClinic(c directory.Clinic, err error) (*clinicOutput, error) {
	return newVersioned(http.StatusCreated, c.Version, c).at(clinicsPath, c.ID), err
}

func registerClinicWrites(api *httpapi.Server, dir *directory.Service) {
	type createInput struct{ Body directory.NewClinic }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-clinic", Method: http.MethodPost, Path: clinicsPath, Tag: "clinics", Action: care.ClinicCreate,
		Status:  http.StatusCreated,
		Summary: "Register a clinic",
		Description: "Registers a clinic, for operators. A name that another clinic has, ignoring " +
			"case, returns 409. `carewire user create --clinic ID --role admin` registers its " +
			"first administrator.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*clinicOutput, error) {
		return createdClinic(dir.CreateClinic(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*clinicOutput, error) {
		return createdClinic(dir.GetClinic(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body    directory.ClinicInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-clinic", Method: http.MethodPut, Path: clinicsPath + "/{id}", Tag: "clinics", Action: care.ClinicUpdate,
		Summary: "Replace a clinic's details",
		Description: "Replaces the name and the time zone of a clinic, for operators. Appointments " +
			"keep their times; days and consulting hours are those of the new zone.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*clinicOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*clinicOutput, error) {
			return currentClinic(dir.UpdateClinic(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	})
}
