package rest

import (
	"context"
	"net/http"
	"time"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

const appointmentsPath = "/api/appointments"

// appointmentOutput is an appointment with its version.
type appointmentOutput = versioned[appointment.Appointment]

// NewAppointment is an appointment to be.
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
	api.AddCollection("appointment", appointmentsPath)
	registerAppointmentCreate(api, service)
	registerAppointmentReads(api, service)
	registerAppointmentMoves(api, service)
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
		ID: "create-appointment", Method: http.MethodPost, Path: appointmentsPath, Tag: "appointments", Action: care.AppointmentBook,
		Status:      http.StatusCreated,
		Summary:     "Book or request an appointment",
		Description: "Whoever arranges appointments at the clinic books it; a patient asks for it, for themselves. What a patient asks for lies in the doctor's hours; whoever books keeps to them where they are set, unless `override` is true. A time at which the doctor or the patient is taken, or that is outside the hours, is answered with 409 and the next times that are free (`nextFree`). A patient has one request open with a doctor for a time, and at most 10 at a clinic (409). Times may have any offset; they come back in UTC, with the clinic's time zone.",
		Refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*appointmentOutput, error) {
		return createdAppointment(service.Create(ctx, httpapi.CommandOf(ctx), appointment.Input(in.Body)))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*appointmentOutput, error) {
		return createdAppointment(service.Get(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})
}

func registerAppointmentReads(api *httpapi.Server, service *appointment.Service) {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only this patient's."`
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only this doctor's."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those at this clinic."`
		From      time.Time `query:"from" format:"date-time" doc:"Only those that start then or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only those that start before then."`
		Status    []string  `query:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"Only those of these statuses, separated by commas." example:"requested,booked"`
		VisitType uuid.UUID `query:"visitType" format:"uuid" doc:"Only those of this visit type."`
		Attention bool      `query:"needsAttention" doc:"Only open ones to come the doctor or the patient of which has left the clinic or is disabled, or the doctor of which is absent then."`
		httpapi.Paging
	}
	type listOutput struct{ Body AppointmentPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-appointments", Method: http.MethodGet, Path: appointmentsPath, Tag: "appointments", Action: care.AppointmentRead,
		Summary:     "List appointments",
		Description: "The appointments that the caller may see, in the order in which they start. Being shown a list is audited, for each patient in it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
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
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-appointment", Method: http.MethodGet, Path: appointmentsPath + "/{id}", Tag: "appointments", Action: care.AppointmentRead,
		Summary:     "Read an appointment",
		Description: "One that the caller may not see is answered like one that is not there. Both are audited.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*appointmentOutput, error) {
		a, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, a.Version, a), err
	})
}
