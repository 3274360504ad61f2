package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const clinicsPath = "/api/clinics"

// ClinicList is the clinics that the caller belongs to.
type ClinicList struct {
	Items []directory.Clinic `json:"items"`
}

func registerClinics(api *httpapi.Server, dir *directory.Service) {
	api.AddCollection("clinic", clinicsPath)
	type list struct{ Body ClinicList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-clinics", Method: http.MethodGet, Path: clinicsPath, Tag: "clinics", Action: care.ClinicRead,
		Summary:     "List one's clinics",
		Description: "The clinics at which the caller holds a role; all of them for an operator. Clinics are registered by the platform.",
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		clinics, err := dir.ListClinics(ctx, httpapi.ActorOf(ctx))
		return &list{ClinicList{clinics}}, err
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	type output struct{ Body directory.Clinic }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic", Method: http.MethodGet, Path: clinicsPath + "/{id}", Tag: "clinics", Action: care.ClinicRead,
		Summary:     "Read a clinic",
		Description: "One of the caller's clinics. Another is answered like one that is not there.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*output, error) {
		clinic, err := dir.GetClinic(ctx, httpapi.CommandOf(ctx), in.ID)
		return &output{clinic}, err
	})
	registerClinicSettings(api, dir)
	registerMembers(api, dir)
	registerCareTeams(api, dir)
}
