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

// ClinicList lists the caller's clinics.
type ClinicList struct {
	Items []directory.Clinic `json:"items"`
}

func registerClinics(api *httpapi.Server, dir *directory.Service) {
	api.AddCollection(httpapi.Collection{Kind: "clinic", Path: clinicsPath})
	type list struct{ Body ClinicList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-clinics", Method: http.MethodGet, Path: clinicsPath, Tag: "clinics", Action: care.ClinicRead,
		Summary: "List clinics",
		Description: "The clinics where the caller has a role; all clinics for operators. " +
			"Clinics are registered by the platform.",
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		clinics, err := dir.ListClinics(ctx, httpapi.ActorOf(ctx))
		return &list{ClinicList{clinics}}, err
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	type output struct{ Body directory.Clinic }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic", Method: http.MethodGet, Path: clinicsPath + "/{id}",
		Tag: "clinics", Action: care.ClinicRead,
		Summary:     "Get a clinic",
		Description: "Returns 404 if it is not one of the caller's clinics.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*output, error) {
		clinic, err := dir.GetClinic(ctx, httpapi.CommandOf(ctx), in.ID)
		return &output{clinic}, err
	})
	registerClinicSettings(api, dir)
	registerMembers(api, dir)
	registerCareTeams(api, dir)
}
