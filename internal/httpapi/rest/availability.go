package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

func registerAvailability(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ClinicID uuid.UUID `query:"clinicId" required:"true" format:"uuid" doc:"The clinic."`
		DoctorID uuid.UUID `query:"doctorId" required:"true" format:"uuid" doc:"The doctor."`
		Date     string    `query:"date" required:"true" format:"date" doc:"The day, in the clinic's time zone; at most two years ahead." example:"2027-03-15"`
		Minutes  int       `query:"durationMinutes" minimum:"5" maximum:"1440" default:"30" doc:"The shortest free time that is returned, in minutes."`
		Visit    uuid.UUID `query:"visitType" format:"uuid" doc:"An active visit type of the clinic, whose length replaces durationMinutes."`
	}
	type output struct{ Body appointment.Availability }
	httpapi.Register(api, httpapi.Operation{
		ID: "doctor-availability", Method: http.MethodGet, Path: appointmentsPath + "/availability",
		Tag: "appointments", Action: care.AvailabilityRead,
		Summary: "Get a doctor's free times",
		Description: "The free and busy times of a doctor on one day at a clinic, for everybody " +
			"of the clinic, including its patients. The day is the clinic's, also on days when " +
			"clocks change; times have the offset of the clinic's time zone. Default hours are " +
			"Monday to Friday, 09:00 to 17:00. Busy times do not reveal the patient or the " +
			"clinic. Leave and closing days are not open, one-off hours are.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		found, err := service.GetAvailability(ctx, httpapi.CommandOf(ctx), appointment.Day{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, Date: in.Date, Minutes: in.Minutes, VisitType: in.Visit,
		})
		return &output{found}, err
	})
}
