package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

// transitionRefusals are the refusals of every transition.
var transitionRefusals = []care.Code{
	care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired,
}

func registerAppointmentTransitions(api *httpapi.Server, service *appointment.Service) {
	type transitionInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to change. Required."`
	}
	for _, t := range []struct {
		appointment.Transition
		summary, description string
	}{
		{
			appointment.Confirm, "Confirm an appointment",
			"Confirms that the patient will come: patients until it starts, the clinic until it " +
				"ends. Returns 409 if the doctor or the patient has left the clinic or is " +
				"disabled.",
		},
		{
			appointment.CheckIn, "Check a patient in",
			"Records that the patient has arrived, on the day of the appointment at the clinic; " +
				"also after a no-show, if the time is still free. Returns 409 if the doctor or " +
				"the patient has left the clinic or is disabled.",
		},
		{
			appointment.Complete, "Complete an appointment",
			"Records that the appointment took place, after it has started.",
		},
		{
			appointment.Cancel, "Cancel an appointment",
			"Frees its time: patients until it starts, the clinic until it ends, and nobody " +
				"after check-in. The clinic can reverse it on the same day (`/reverse`).",
		},
		{
			appointment.Miss, "Mark a no-show",
			"Records that the patient did not come, after the appointment has started.",
		},
	} {
		httpapi.RegisterIdempotent(api, httpapi.Operation{
			ID: string(t.Transition) + "-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/" + string(t.Transition),
			Tag: "appointments", Action: t.Action(),
			Summary: t.summary,
			Description: t.description + " If the status does not allow it, the answer is 409 and lists " +
				"the transitions that are allowed. A stale `If-Match` returns 412 with the current ETag.",
			Refusals: transitionRefusals,
		}, func(ctx context.Context, in *transitionInput) (*appointmentOutput, error) {
			return withVersion(in.IfMatch, func(version int64) (*appointmentOutput, error) {
				return currentAppointment(service.Transition(ctx, httpapi.CommandOf(ctx), in.ID, version, t.Transition))
			})
		}, func(ctx context.Context, in *transitionInput, _ *care.ReplayError) (*appointmentOutput, error) {
			return currentAppointment(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
		})
	}
}

// registerAppointmentChange adds a transition that takes a body.
func registerAppointmentChange[B any](
	api *httpapi.Server, service *appointment.Service, t appointment.Transition, summary, description string,
	change func(ctx context.Context, cmd care.Command, id uuid.UUID, version int64, body B) (appointment.Appointment, error),
) {
	type input struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to change. Required."`
		Body    B
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: string(t) + "-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/" + string(t),
		Tag: "appointments", Action: t.Action(),
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
	registerAppointmentChange(api, service, appointment.Reschedule, "Reschedule an appointment",
		"Moves it to a time in the future. A confirmed appointment must be confirmed again. Its "+
			"current time is not a change. If the doctor or the patient is not free at that "+
			"time, or it is outside the doctor's hours without `override`, the answer is 409 "+
			"with the next free times (`nextFree`).",
		service.Reschedule)
	registerAppointmentChange(api, service, appointment.Reassign, "Reassign an appointment to another doctor",
		"The new doctor must be an active doctor of the clinic who is free, until it ends. A "+
			"confirmed appointment must be confirmed again. If the doctor is not free, or it is "+
			"outside of their hours without `override`, the 409 has their next free times "+
			"(`nextFree`).",
		service.Reassign)
	registerAppointmentChange(api, service, appointment.Reverse, "Reverse the end of an appointment",
		"Reverses a completion, cancellation or no-show, on the same day at the clinic; a "+
			"cancellation also until the appointment ends. It returns to its previous status and "+
			"time; if that time is no longer free, the answer is 409.",
		service.Reverse)
}

// ReversalList lists the reversals of an appointment.
type ReversalList struct {
	Items []appointment.Reversed `json:"items"`
}

func registerAppointmentReversals(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	type output struct{ Body ReversalList }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-appointment-reversals", Method: http.MethodGet, Path: appointmentsPath + "/{id}/reversals",
		Tag: "appointments", Action: care.AppointmentReverse,
		Summary: "List the reversals of an appointment",
		Description: "The steps of an appointment that were reversed and the reasons, oldest " +
			"first, for the people who work at the clinic. The read is audited.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		items, err := service.ListReversals(ctx, httpapi.CommandOf(ctx), in.ID)
		return &output{ReversalList{items}}, err
	})
}

func registerAppointmentBook(api *httpapi.Server, service *appointment.Service) {
	type input struct {
		ID       uuid.UUID `path:"id" format:"uuid"`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the version to change. Required."`
		Override bool      `query:"override" doc:"Books it even if the time is now outside the doctor's hours; the event records that."`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "book-appointment", Method: http.MethodPost, Path: appointmentsPath + "/{id}/book",
		Tag: "appointments", Action: care.AppointmentBook,
		Summary: "Book a requested appointment",
		Description: "Books the requested time, before it starts, if the doctor and the patient " +
			"are still free; otherwise the answer is 409 with the next free times (`nextFree`). " +
			"If the status does not allow it, the answer is 409 and lists the transitions that " +
			"are allowed. A stale `If-Match` returns 412 with the current ETag.",
		Refusals: transitionRefusals,
	}, func(ctx context.Context, in *input) (*appointmentOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*appointmentOutput, error) {
			return currentAppointment(service.Book(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Override))
		})
	}, func(ctx context.Context, in *input, _ *care.ReplayError) (*appointmentOutput, error) {
		return currentAppointment(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}
