package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

// DoctorHours are the new hours of a doctor.
type DoctorHours struct {
	Openings []appointment.Opening `json:"openings" maxItems:"42" doc:"The openings of the whole week. An empty list means that the doctor sees no patients there. Openings of one day must not overlap."`
}

func registerHours(api *httpapi.Server, service *appointment.Service) {
	const path = "/api/clinics/{clinicId}/doctors/{doctorId}/hours"
	type output = versioned[appointment.Hours]
	answer := func(hours appointment.Hours, err error) (*output, error) {
		return newVersioned(http.StatusOK, hours.Version, hours), err
	}

	type getInput struct {
		ClinicID    uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		DoctorID    uuid.UUID `path:"doctorId" format:"uuid" doc:"The doctor."`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-doctor-hours", Method: http.MethodGet, Path: path,
		Tag: "appointments", Action: care.AvailabilityRead,
		Summary: "Get a doctor's hours",
		Description: "The doctor's weekly hours at the clinic, for everybody of the clinic. If " +
			"none are set, `default` is true and there is no ETag.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*output, error) {
		hours, err := service.GetHours(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.DoctorID)
		return unlessMatched(in.IfNoneMatch, hours.Version, hours), err
	})

	type putInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		DoctorID uuid.UUID `path:"doctorId" format:"uuid" doc:"The doctor."`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the hours to replace; left out if none are set."`
		Body     DoctorHours
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-doctor-hours", Method: http.MethodPut, Path: path, Tag: "appointments", Action: care.HoursWrite,
		Summary: "Set a doctor's hours",
		Description: "Replaces the whole week, for receptionists, administrators and the doctor. " +
			"Times are local times of the clinic, also after clocks change. Existing bookings do " +
			"not change. Patients request times within the hours; the clinic books outside of " +
			"them with `override`. A stale `If-Match` returns 412 with the current ETag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*output, error) {
			return answer(service.UpdateHours(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.DoctorID, version, in.Body.Openings))
		})
	})
}
