package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

const appointmentsPath = "/api/appointments"

// appointmentOutput is an appointment with its version.
type appointmentOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     appointment.Appointment
}

// NewAppointment is an appointment to be.
type NewAppointment appointment.Input

// AppointmentPage is one page of a list of appointments.
type AppointmentPage appointment.Page

func newAppointmentOutput(status int, a appointment.Appointment) *appointmentOutput {
	return &appointmentOutput{Status: status, ETag: etag(a.Version), Body: a}
}

func createdAppointment(a appointment.Appointment) *appointmentOutput {
	out := newAppointmentOutput(http.StatusCreated, a)
	out.Location = location(appointmentsPath, a.ID.String())
	return out
}

func (s *Server) addAppointments() {
	s.collections["appointment"] = appointmentsPath
	s.addAppointmentCreate()
	s.addAppointmentReads()
	s.addAppointmentMoves()
	s.addAppointmentBook()
	s.addAppointmentChanges()
	s.addAppointmentReversals()
	s.addAvailability()
	s.addHours()
	s.addAbsences()
	s.addVisitTypes()
}

func (s *Server) addAppointmentCreate() {
	type createInput struct{ Body NewAppointment }
	register(s, operation{
		id: "create-appointment", method: http.MethodPost, path: appointmentsPath, tag: "appointments", status: http.StatusCreated,
		summary:     "Book or request an appointment",
		description: "Whoever arranges appointments at the clinic books it; a patient asks for it, for themselves. What a patient asks for lies in the doctor's hours; whoever books keeps to them where they are set, unless `override` is true. A time at which the doctor or the patient is taken, or that is outside the hours, is answered with 409 and the next times that are free (`nextFree`). A patient has one request open with a doctor for a time, and at most 10 at a clinic (409). Times may have any offset; they come back in UTC, with the clinic's time zone.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.AppointmentBook, once(func(ctx context.Context, in *createInput) (*appointmentOutput, error) {
		a, err := s.cfg.Appointments.Create(ctx, commandOf(ctx), appointment.Input(in.Body))
		if err != nil {
			return nil, err
		}
		return createdAppointment(a), nil
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*appointmentOutput, error) {
		a, err := s.cfg.Appointments.Get(ctx, commandOf(ctx), idOf(done))
		return createdAppointment(a), err
	}))
}

func (s *Server) addAppointmentReads() {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only this patient's."`
		DoctorID  uuid.UUID `query:"doctorId" format:"uuid" doc:"Only this doctor's."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those at this clinic."`
		From      time.Time `query:"from" format:"date-time" doc:"Only those that start then or later."`
		To        time.Time `query:"to" format:"date-time" doc:"Only those that start before then."`
		Status    []string  `query:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"Only those of these statuses, separated by commas." example:"requested,booked"`
		VisitType uuid.UUID `query:"visitType" format:"uuid" doc:"Only those of this visit type."`
		Attention bool      `query:"needsAttention" doc:"Only open ones to come the doctor or the patient of which has left the clinic or is disabled, or the doctor of which is absent then."`
		Paging
	}
	type listOutput struct{ Body AppointmentPage }
	register(s, operation{
		id: "list-appointments", method: http.MethodGet, path: appointmentsPath, tag: "appointments",
		summary:     "List appointments",
		description: "The appointments that the caller may see, in the order in which they start. Being shown a list is audited, for each patient in it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.AppointmentRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		filter := appointment.Filter{
			PatientID: in.PatientID, DoctorID: in.DoctorID, ClinicID: in.ClinicID, From: in.From, To: in.To,
			VisitType: in.VisitType, NeedsAttention: in.Attention, Cursor: in.Cursor, Limit: in.Limit,
		}
		for _, status := range in.Status {
			filter.Statuses = append(filter.Statuses, appointment.Status(status))
		}
		page, err := s.cfg.Appointments.List(ctx, commandOf(ctx), filter)
		return &listOutput{AppointmentPage(page)}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	register(s, operation{
		id: "get-appointment", method: http.MethodGet, path: appointmentsPath + "/{id}", tag: "appointments",
		summary:     "Read an appointment",
		also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		description: "One that the caller may not see is answered like one that is not there. Both are audited.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.AppointmentRead, func(ctx context.Context, in *getInput) (*appointmentOutput, error) {
		a, err := s.cfg.Appointments.Get(ctx, commandOf(ctx), in.ID)
		if err != nil {
			return nil, err
		}
		if matchesETag(in.IfNoneMatch, a.Version) {
			return newAppointmentOutput(http.StatusNotModified, a), nil
		}
		return newAppointmentOutput(http.StatusOK, a), nil
	})
}

// moveRefusals are how a transition can be refused.
var moveRefusals = []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired}

func (s *Server) addAppointmentMoves() {
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
		register(s, operation{
			id: string(move.Transition) + "-appointment", method: http.MethodPost, path: appointmentsPath + "/{id}/" + string(move.Transition), tag: "appointments",
			summary:     move.summary,
			description: move.description + " What the status does not allow is answered with 409, which says what it does; a stale `If-Match` with 412 and the current ETag.",
			refusals:    moveRefusals,
		}, move.Action(), once(func(ctx context.Context, in *moveInput) (*appointmentOutput, error) {
			version, err := parseETag(in.IfMatch)
			if err != nil {
				return nil, err
			}
			a, err := s.cfg.Appointments.Transition(ctx, commandOf(ctx), in.ID, version, move.Transition)
			if err != nil {
				return nil, err
			}
			return newAppointmentOutput(http.StatusOK, a), nil
		}, func(ctx context.Context, in *moveInput, _ *care.ReplayError) (*appointmentOutput, error) {
			a, err := s.cfg.Appointments.Get(ctx, commandOf(ctx), in.ID)
			return newAppointmentOutput(http.StatusOK, a), err
		}))
	}
}

// changeAppointment adds a transition that takes a body.
func changeAppointment[B any](s *Server, t appointment.Transition, summary, description string, do func(ctx context.Context, cmd care.Command, id uuid.UUID, version int64, body B) (appointment.Appointment, error)) {
	type input struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is changed. Required."`
		Body    B
	}
	register(s, operation{
		id: string(t) + "-appointment", method: http.MethodPost, path: appointmentsPath + "/{id}/" + string(t), tag: "appointments",
		summary: summary, description: description, refusals: moveRefusals,
	}, t.Action(), once(func(ctx context.Context, in *input) (*appointmentOutput, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		a, err := do(ctx, commandOf(ctx), in.ID, version, in.Body)
		if err != nil {
			return nil, err
		}
		return newAppointmentOutput(http.StatusOK, a), nil
	}, func(ctx context.Context, in *input, _ *care.ReplayError) (*appointmentOutput, error) {
		a, err := s.cfg.Appointments.Get(ctx, commandOf(ctx), in.ID)
		return newAppointmentOutput(http.StatusOK, a), err
	}))
}

func (s *Server) addAppointmentChanges() {
	changeAppointment(s, appointment.Reschedule, "Move an appointment to another time",
		"To one to come. A confirmed one is to be confirmed again. The time that it has already is no change. A time at which the doctor or the patient is taken, or that is outside the doctor's hours without `override`, is answered with 409 and the next times that are free (`nextFree`).",
		s.cfg.Appointments.Reschedule)
	changeAppointment(s, appointment.Reassign, "Give an appointment to another doctor",
		"To an active doctor of the clinic who is free then, until it ends. A confirmed one is to be confirmed again. Where the doctor is taken, or it is outside of their hours without `override`, the 409 names their next free times (`nextFree`).",
		s.cfg.Appointments.Reassign)
	changeAppointment(s, appointment.Reverse, "Take back how an appointment ended",
		"Takes back that it was completed, cancelled or missed, on the day at the clinic on which that was said; what was cancelled also before it ends. It has the status before again, and its time, which is answered with 409 if somebody else has it now.",
		s.cfg.Appointments.Reverse)
}

// ReversalList is what was taken back of an appointment.
type ReversalList struct {
	Items []appointment.Reversed `json:"items"`
}

func (s *Server) addAppointmentReversals() {
	type input struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	type output struct{ Body ReversalList }
	register(s, operation{
		id: "get-appointment-reversals", method: http.MethodGet, path: appointmentsPath + "/{id}/reversals", tag: "appointments",
		summary:     "Read why steps were taken back",
		description: "What was taken back of an appointment and why, oldest first, for those who work at the clinic. Reading it is audited.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.AppointmentReverse, func(ctx context.Context, in *input) (*output, error) {
		items, err := s.cfg.Appointments.ListReversals(ctx, commandOf(ctx), in.ID)
		return &output{ReversalList{items}}, err
	})
}

func (s *Server) addAppointmentBook() {
	type input struct {
		ID       uuid.UUID `path:"id" format:"uuid"`
		IfMatch  string    `header:"If-Match" doc:"The ETag of the version that is changed. Required."`
		Override bool      `query:"override" doc:"Books it also where the time is outside the doctor's hours by now; the event says so."`
	}
	register(s, operation{
		id: "book-appointment", method: http.MethodPost, path: appointmentsPath + "/{id}/book", tag: "appointments",
		summary:     "Book a requested appointment",
		description: "Gives the patient the time that they asked for, before it starts, if the doctor and they are still free then; else the 409 names the next times that are (`nextFree`). What the status does not allow is answered with 409, which says what it does; a stale `If-Match` with 412 and the current ETag.",
		refusals:    moveRefusals,
	}, care.AppointmentBook, once(func(ctx context.Context, in *input) (*appointmentOutput, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		a, err := s.cfg.Appointments.Book(ctx, commandOf(ctx), in.ID, version, in.Override)
		if err != nil {
			return nil, err
		}
		return newAppointmentOutput(http.StatusOK, a), nil
	}, func(ctx context.Context, in *input, _ *care.ReplayError) (*appointmentOutput, error) {
		a, err := s.cfg.Appointments.Get(ctx, commandOf(ctx), in.ID)
		return newAppointmentOutput(http.StatusOK, a), err
	}))
}
