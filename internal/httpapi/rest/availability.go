package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

func registerAvailability(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ClinicID uuid.UUID `query:"clinicId" required:"true" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `query:"doctorId" required:"true" format:"uuid" doc:"Whose day."`
		Date     string    `query:"date" required:"true" format:"date" doc:"The day, in the clinic's time zone; at most two years ahead." example:"2027-03-15"`
		Minutes  int       `query:"durationMinutes" minimum:"5" maximum:"1440" default:"30" doc:"How long a slot must be."`
		Visit    uuid.UUID `query:"visitType" format:"uuid" doc:"An active visit type of the clinic, as long as which a slot must be, whatever durationMinutes says."`
	}
	type output struct{ Body appointment.Availability }
	httpapi.Register(api, httpapi.Operation{
		ID: "doctor-availability", Method: http.MethodGet, Path: appointmentsPath + "/availability", Tag: "appointments", Action: care.AvailabilityRead,
		Summary: "See when a doctor is free",
		Description: "What of a doctor's day at a clinic can be had, for everybody of the clinic, its patients too. The day is the clinic's, also where clocks change on it; " +
			"times carry the offset of the clinic's zone. Where nobody set the doctor's hours, Monday to Friday from 09:00 to 17:00 counts. What is busy is told without saying with whom, or at which clinic. Leave and closing days are not open, one-off hours are.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		found, err := service.GetAvailability(ctx, httpapi.CommandOf(ctx), appointment.Day{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, Date: in.Date, Minutes: in.Minutes, VisitType: in.Visit,
		})
		return &output{found}, err
	})
}
