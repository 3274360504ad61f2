package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

func (s *Server) addAvailability() {
	type input struct {
		ClinicID uuid.UUID `query:"clinicId" required:"true" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `query:"doctorId" required:"true" format:"uuid" doc:"Whose day."`
		Date     string    `query:"date" required:"true" format:"date" doc:"The day, in the clinic's time zone; at most two years ahead." example:"2027-03-15"`
		Minutes  int       `query:"durationMinutes" minimum:"5" maximum:"1440" default:"30" doc:"How long a slot must be."`
		Visit    uuid.UUID `query:"visitType" format:"uuid" doc:"An active visit type of the clinic, as long as which a slot must be, whatever durationMinutes says."`
	}
	type output struct{ Body appointment.Availability }
	register(s, operation{
		id: "doctor-availability", method: http.MethodGet, path: appointmentsPath + "/availability", tag: "appointments",
		summary: "See when a doctor is free",
		description: "What of a doctor's day at a clinic can be had, for everybody of the clinic, its patients too. The day is the clinic's, also where clocks change on it; " +
			"times carry the offset of the clinic's zone. Where nobody set the doctor's hours, Monday to Friday from 09:00 to 17:00 counts. What is busy is told without saying with whom, or at which clinic. Leave and closing days are not open, one-off hours are.",
		refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.AvailabilityRead, func(ctx context.Context, in *input) (*output, error) {
		found, err := s.cfg.Appointments.GetAvailability(ctx, commandOf(ctx), appointment.Day{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, Date: in.Date, Minutes: in.Minutes, VisitType: in.Visit,
		})
		return &output{found}, err
	})
}

// DoctorHours are a doctor's hours to be.
type DoctorHours struct {
	Openings []appointment.Opening `json:"openings" maxItems:"42" doc:"All of the week's. None means that the doctor sees nobody there. Those of one day must not overlap."`
}

func (s *Server) addHours() {
	const path = "/api/clinics/{clinicId}/doctors/{doctorId}/hours"
	type output struct {
		ETag string `header:"ETag"`
		Body appointment.Hours
	}
	answer := func(hours appointment.Hours, err error) (*output, error) {
		out := &output{Body: hours}
		if hours.Version > 0 {
			out.ETag = etag(hours.Version)
		}
		return out, err
	}

	type getInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `path:"doctorId" format:"uuid" doc:"Whose hours."`
	}
	register(s, operation{
		id: "get-doctor-hours", method: http.MethodGet, path: path, tag: "appointments",
		summary:     "Read a doctor's hours",
		description: "When the doctor sees patients at the clinic, for everybody of the clinic. Where nobody set them, `default` is true and there is no ETag.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.AvailabilityRead, func(ctx context.Context, in *getInput) (*output, error) {
		return answer(s.cfg.Appointments.GetHours(ctx, commandOf(ctx), in.ClinicID, in.DoctorID))
	})

	type putInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `path:"doctorId" format:"uuid" doc:"Whose hours."`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the hours that are replaced; left out where none are set."`
		Body     DoctorHours
	}
	register(s, operation{
		id: "set-doctor-hours", method: http.MethodPut, path: path, tag: "appointments",
		summary: "Set a doctor's hours",
		description: "Replaces the whole week, for receptionists, administrators and the doctor themselves. Times are what the clinic's clocks show, also after they change. " +
			"What is booked stays as it is. Patients ask for times within the hours, and the clinic books outside of them with `override`. A stale `If-Match` is answered with 412 and the current ETag.",
		refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, care.HoursWrite, func(ctx context.Context, in *putInput) (*output, error) {
		version, err := parseOptionalETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return answer(s.cfg.Appointments.UpdateHours(ctx, commandOf(ctx), in.ClinicID, in.DoctorID, version, in.Body.Openings))
	})
}
