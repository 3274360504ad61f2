package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

// DoctorHours are a doctor's hours to be.
type DoctorHours struct {
	Openings []appointment.Opening `json:"openings" maxItems:"42" doc:"All of the week's. None means that the doctor sees nobody there. Those of one day must not overlap."`
}

func registerHours(api *httpapi.Server, service *appointment.Service) {
	const path = "/api/clinics/{clinicId}/doctors/{doctorId}/hours"
	type output = versioned[appointment.Hours]
	answer := func(hours appointment.Hours, err error) (*output, error) {
		return newVersioned(http.StatusOK, hours.Version, hours), err
	}

	type getInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `path:"doctorId" format:"uuid" doc:"Whose hours."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-doctor-hours", Method: http.MethodGet, Path: path, Tag: "appointments", Action: care.AvailabilityRead,
		Summary:     "Read a doctor's hours",
		Description: "When the doctor sees patients at the clinic, for everybody of the clinic. Where nobody set them, `default` is true and there is no ETag.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*output, error) {
		return answer(service.GetHours(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.DoctorID))
	})

	type putInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `path:"doctorId" format:"uuid" doc:"Whose hours."`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the hours that are replaced; left out where none are set."`
		Body     DoctorHours
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-doctor-hours", Method: http.MethodPut, Path: path, Tag: "appointments", Action: care.HoursWrite,
		Summary: "Set a doctor's hours",
		Description: "Replaces the whole week, for receptionists, administrators and the doctor themselves. Times are what the clinic's clocks show, also after they change. " +
			"What is booked stays as it is. Patients ask for times within the hours, and the clinic books outside of them with `override`. A stale `If-Match` is answered with 412 and the current ETag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		version, err := httpapi.ParseOptionalETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return answer(service.UpdateHours(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.DoctorID, version, in.Body.Openings))
	})
}
