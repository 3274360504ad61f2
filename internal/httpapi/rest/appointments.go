package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

const appointmentsPath = "/api/appointments"

// appointmentOutput is an appointment with its version.
type appointmentOutput = versioned[appointment.Appointment]

// NewAppointment is the body of a new appointment.
type NewAppointment appointment.Input

// AppointmentPage is one page of a list of appointments.
type AppointmentPage appointment.Page

func currentAppointment(a appointment.Appointment, err error) (*appointmentOutput, error) {
	return newVersioned(http.StatusOK, a.Version, a), err
}

func createdAppointment(a appointment.Appointment, err error) (*appointmentOutput, error) {
	return newVersioned(http.StatusCreated, a.Version, a).at(appointmentsPath, a.ID), err
}

func registerAppointments(api *httpapi.Server, service *appointment.Service) {
	api.AddCollection(appointmentCollection(service))
	registerAppointmentCreate(api, service)
	registerAppointmentReads(api, service)
	registerAppointmentTransitions(api, service)
	registerAppointmentBook(api, service)
	registerAppointmentChanges(api, service)
	registerAppointmentReversals(api, service)
	registerAvailability(api, service)
	registerHours(api, service)
	registerAbsences(api, service)
	registerVisitTypes(api, service)
}

func registerAppointmentCreate(api *httpapi.Server, service *appointment.Service) {
	type createInput struct{ Body NewAppointment }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-appointment", Method: http.MethodPost, Path: appointmentsPath,
		Tag: "appointments", Action: care.AppointmentBook,
		Status:  http.StatusCreated,
		Summary: "Book or request an appointment",
		Description: "People who arrange appointments at the clinic book it; patients request " +
			"it, for themselves. A patient's request must lie within the doctor's hours. A " +
			"booking must lie within them too, where they are set, unless `override` is true. If " +
			"the doctor or the patient is not free at that time, or it is outside the hours, the " +
			"answer is 409 with the next free times (`nextFree`). A patient can have one open " +
			"request with a doctor for a time, and at most 10 at a clinic (409). Times can have " +
			"any offset; they are returned in UTC, with the clinic's time zone.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*appointmentOutput, error) {
		return createdAppointment(service.Create(ctx, httpapi.CommandOf(ctx), appointment.Input(in.Body)))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*appointmentOutput, error) {
		return createdAppointment(service.Get(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})
}

func registerAppointmentReads(api *httpapi.Server, service *appointment.Service) {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only those of this patient."`
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only those of this doctor."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those at this clinic."`
		From      time.Time `query:"from" format:"date-time" doc:"Only those that start at this time or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only those that start before this time."`
		Status    []string  `query:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"Only those with one of these statuses, separated by commas." example:"requested,booked"`
		VisitType uuid.UUID `query:"visitType" format:"uuid" doc:"Only those of this visit type."`
		Attention bool      `query:"needsAttention" doc:"Only open ones in the future whose doctor or patient has left the clinic or is disabled, or whose doctor is absent at that time."`
		httpapi.Paging
	}
	type listOutput struct{ Body AppointmentPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-appointments", Method: http.MethodGet, Path: appointmentsPath,
		Tag: "appointments", Action: care.AppointmentRead,
		Summary: "List appointments",
		Description: "The appointments that the caller may see, ordered by start. The list is " +
			"audited for each patient in it. " + shortPages,
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		filter := appointment.Filter{
			PatientID: in.PatientID, DoctorID: in.DoctorID, ClinicID: in.ClinicID, From: in.From, To: in.To,
			VisitType: in.VisitType, NeedsAttention: in.Attention, Cursor: in.Cursor, Limit: in.Limit,
		}
		for _, status := range in.Status {
			filter.Statuses = append(filter.Statuses, appointment.Status(status))
		}
		page, err := service.List(ctx, httpapi.CommandOf(ctx), filter)
		return &listOutput{AppointmentPage(page)}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current. That is also a read, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-appointment", Method: http.MethodGet, Path: appointmentsPath + "/{id}",
		Tag: "appointments", Action: care.AppointmentRead,
		Summary:     "Get an appointment",
		Description: "Returns 404 if the caller may not see it. Both are audited.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*appointmentOutput, error) {
		a, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, a.Version, a), err
	})
}
