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

func registerAbsences(api *httpapi.Server, service *appointment.Service) {
	const path = clinicsPath + "/{clinicId}/absences"
	type createInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		Body     appointment.NewAbsence
	}
	type output struct {
		Location string `header:"Location"`
		Body     appointment.Absence
	}
	created := func(a appointment.Absence, err error) (*output, error) {
		return &output{httpapi.Location(clinicsPath+"/"+a.ClinicID.String()+"/absences", a.ID.String()), a}, err
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-absence", Method: http.MethodPost, Path: path, Tag: "appointments", Action: care.HoursWrite,
		Status:  http.StatusCreated,
		Summary: "Enter leave, a closing day or one-off hours",
		Description: "For receptionists, administrators and the doctor themselves; closing the whole clinic is not a doctor's to do. Availability and what patients ask for keep to it from then on. " +
			"What is booked in that time stays as it is: `affected` says how many open appointments these are, and `GET /api/appointments?needsAttention=true` lists them.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *createInput) (*output, error) {
		return created(service.CreateAbsence(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*output, error) {
		return created(service.AbsenceAgain(ctx, httpapi.CommandOf(ctx), in.ClinicID, httpapi.ReplayedID(done)))
	})

	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		DoctorID uuid.UUID `query:"doctorId" format:"uuid" doc:"Only this doctor's, and those of the whole clinic."`
		From     time.Time `query:"from" format:"date-time" doc:"Only those that end after then."`
		To       time.Time `query:"to" format:"date-time" doc:"Only those that start before then."`
		httpapi.Paging
	}
	type listOutput struct{ Body appointment.AbsencePage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-absences", Method: http.MethodGet, Path: path, Tag: "appointments", Action: care.AbsenceRead,
		Summary:     "List leave, closing days and one-off hours",
		Description: "Those of the clinic, in the order in which they start, for those who work there.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := service.ListAbsences(ctx, httpapi.CommandOf(ctx), appointment.AbsenceFilter{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type deleteInput struct {
		ClinicID  uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		AbsenceID uuid.UUID `path:"absenceId" format:"uuid" doc:"The absence."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-absence", Method: http.MethodDelete, Path: path + "/{absenceId}", Tag: "appointments", Action: care.HoursWrite,
		Summary:     "Remove leave, a closing day or one-off hours",
		Description: "For those who may enter it. The doctor's hours count again.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, service.DeleteAbsence(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.AbsenceID)
	})
}
