package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

func (s *Server) addAbsences() {
	const path = clinicsPath + "/{clinicId}/absences"
	service := s.cfg.Appointments
	type createInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		Body     appointment.NewAbsence
	}
	type output struct {
		Location string `header:"Location"`
		Body     appointment.Absence
	}
	created := func(a appointment.Absence, err error) (*output, error) {
		return &output{location(clinicsPath+"/"+a.ClinicID.String()+"/absences", a.ID.String()), a}, err
	}
	register(s, operation{
		id: "create-absence", method: http.MethodPost, path: path, tag: "appointments", status: http.StatusCreated,
		summary: "Enter leave, a closing day or one-off hours",
		description: "For receptionists, administrators and the doctor themselves; closing the whole clinic is not a doctor's to do. Availability and what patients ask for keep to it from then on. " +
			"What is booked in that time stays as it is: `affected` says how many open appointments these are, and `GET /api/appointments?needsAttention=true` lists them.",
		refusals: []care.Code{care.Forbidden, care.NotFound},
	}, care.HoursWrite, once(func(ctx context.Context, in *createInput) (*output, error) {
		return created(service.CreateAbsence(ctx, commandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*output, error) {
		return created(service.ReplayAbsence(ctx, commandOf(ctx), in.ClinicID, idOf(done)))
	}))

	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `query:"doctorId" format:"uuid" doc:"Only this doctor's, and those of the whole clinic."`
		From     time.Time `query:"from" format:"date-time" doc:"Only those that end after then."`
		To       time.Time `query:"to" format:"date-time" doc:"Only those that start before then."`
		Paging
	}
	type listOutput struct{ Body appointment.AbsencePage }
	register(s, operation{
		id: "list-absences", method: http.MethodGet, path: path, tag: "appointments",
		summary:     "List leave, closing days and one-off hours",
		description: "Those of the clinic, in the order in which they start, for those who work there.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.AbsenceRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := service.ListAbsences(ctx, commandOf(ctx), appointment.AbsenceFilter{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type deleteInput struct {
		ClinicID  uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		AbsenceID uuid.UUID `path:"absenceId" format:"uuid" doc:"The absence."`
	}
	register(s, operation{
		id: "delete-absence", method: http.MethodDelete, path: path + "/{absenceId}", tag: "appointments",
		summary:     "Remove leave, a closing day or one-off hours",
		description: "For those who may enter it. The doctor's hours count again.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.HoursWrite, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, service.DeleteAbsence(ctx, commandOf(ctx), in.ClinicID, in.AbsenceID)
	})
}
