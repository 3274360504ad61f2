package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

// transitionRefusals are how a transition can be refused.
var transitionRefusals = []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired}

func registerAppointmentMoves(api *httpapi.Server, service *appointment.Service) {
	type moveInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is changed. Required."`
	}
	for _, move := range []struct {
		appointment.Transition
		summary, description string
	}{
		{appointment.Confirm, "Confirm an appointment", "Says that the patient will come: a patient until it starts, the clinic until it ends. Where the doctor or the patient has left the clinic or is disabled, the 409 says so."},
		{appointment.CheckIn, "Check a patient in", "Says that the patient has arrived, on the day of the appointment at the clinic; also of one who was marked as not come, if the time is still free. Where the doctor or the patient has left the clinic or is disabled, the 409 says so."},
		{appointment.Complete, "Complete an appointment", "Says, once the appointment has begun, that it took place."},
		{appointment.Cancel, "Cancel an appointment", "Frees its time for others: a patient until it starts, the clinic until it ends, and nobody once the patient is checked in. The clinic can take it back on the same day (`/reverse`)."},
		{appointment.Miss, "Mark a patient as not come", "Says, once the appointment has begun, that the patient did not come."},
	} {
		httpapi.RegisterIdempotent(api, httpapi.Operation{
			ID: string(move.Transition) + "-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/" + string(move.Transition), Tag: "appointments", Action: move.Action(),
			Summary:     move.summary,
			Description: move.description + " What the status does not allow is answered with 409, which says what it does; a stale `If-Match` with 412 and the current ETag.",
			Refusals:    transitionRefusals,
		}, func(ctx context.Context, in *moveInput) (*appointmentOutput, error) {
			return withVersion(in.IfMatch, func(version int64) (*appointmentOutput, error) {
				return currentAppointment(service.Transition(ctx, httpapi.CommandOf(ctx), in.ID, version, move.Transition))
			})
		}, func(ctx context.Context, in *moveInput, _ *care.ReplayError) (*appointmentOutput, error) {
			return currentAppointment(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
		})
	}
}

// registerAppointmentChange adds a transition that takes a body.
func registerAppointmentChange[B any](api *httpapi.Server, service *appointment.Service, t appointment.Transition, summary, description string,
	change func(ctx context.Context, cmd care.Command, id uuid.UUID, version int64, body B) (appointment.Appointment, error),
) {
	type input struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is changed. Required."`
		Body    B
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: string(t) + "-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/" + string(t), Tag: "appointments", Action: t.Action(),
		Summary:     summary,
		Description: description,
		Refusals:    transitionRefusals,
	}, func(ctx context.Context, in *input) (*appointmentOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*appointmentOutput, error) {
			return currentAppointment(change(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	}, func(ctx context.Context, in *input, _ *care.ReplayError) (*appointmentOutput, error) {
		return currentAppointment(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}

func registerAppointmentChanges(api *httpapi.Server, service *appointment.Service) {
	registerAppointmentChange(api, service, appointment.Reschedule, "Move an appointment to another time",
		"To one to come. A confirmed one is to be confirmed again. The time that it has already is no change. A time at which the doctor or the patient is taken, or that is outside the doctor's hours without `override`, is answered with 409 and the next times that are free (`nextFree`).",
		service.Reschedule)
	registerAppointmentChange(api, service, appointment.Reassign, "Give an appointment to another doctor",
		"To an active doctor of the clinic who is free then, until it ends. A confirmed one is to be confirmed again. Where the doctor is taken, or it is outside of their hours without `override`, the 409 names their next free times (`nextFree`).",
		service.Reassign)
	registerAppointmentChange(api, service, appointment.Reverse, "Take back how an appointment ended",
		"Takes back that it was completed, cancelled or missed, on the day at the clinic on which that was said; what was cancelled also before it ends. It has the status before again, and its time, which is answered with 409 if somebody else has it now.",
		service.Reverse)
}

// ReversalList is what was taken back of an appointment.
type ReversalList struct {
	Items []appointment.Reversed `json:"items"`
}

func registerAppointmentReversals(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	type output struct{ Body ReversalList }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-appointment-reversals", Method: http.MethodGet, Path: appointmentsPath + "/{id}/reversals", Tag: "appointments", Action: care.AppointmentReverse,
		Summary:     "Read why steps were taken back",
		Description: "What was taken back of an appointment and why, oldest first, for those who work at the clinic. Reading it is audited.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		items, err := service.ListReversals(ctx, httpapi.CommandOf(ctx), in.ID)
		return &output{ReversalList{items}}, err
	})
}

func registerAppointmentBook(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ID       uuid.UUID `path:"id" format:"uuid"`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the version that is changed. Required."`
		Override bool      `query:"override" doc:"Books it also where the time is outside the doctor's hours by now; the event says so."`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "book-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/book", Tag: "appointments", Action: care.AppointmentBook,
		Summary:     "Book a requested appointment",
		Description: "Gives the patient the time that they asked for, before it starts, if the doctor and they are still free then; else the 409 names the next times that are (`nextFree`). What the status does not allow is answered with 409, which says what it does; a stale `If-Match` with 412 and the current ETag.",
		Refusals:    transitionRefusals,
	}, func(ctx context.Context, in *input) (*appointmentOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*appointmentOutput, error) {
			return currentAppointment(service.Book(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Override))
		})
	}, func(ctx context.Context, in *input, _ *care.ReplayError) (*appointmentOutput, error) {
		return currentAppointment(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}
