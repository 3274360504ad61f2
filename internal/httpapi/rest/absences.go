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

const absencesPath = clinicsPath + "/{clinicId}/absences"

func registerAbsences(api *httpapi.Server, service *appointment.Service) {
	registerAbsenceCreate(api, service)
	registerAbsenceList(api, service)
	registerAbsenceDelete(api, service)
}

func registerAbsenceCreate(api *httpapi.Server, service *appointment.Service) {
	type createInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
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
		ID: "create-absence", Method: http.MethodPost, Path: absencesPath,
		Tag: "appointments", Action: care.HoursWrite,
		Status:  http.StatusCreated,
		Summary: "Create an absence",
		Description: "Creates leave, a closing day or one-off hours. For receptionists, " +
			"administrators and the doctor; only receptionists and administrators can close the " +
			"whole clinic. Availability and patients' requests respect it from then on. Existing " +
			"bookings in that time do not change: `affected` is the number of open appointments " +
			"among them, and `GET /api/appointments?needsAttention=true` lists them.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *createInput) (*output, error) {
		return created(service.CreateAbsence(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*output, error) {
		return created(service.ReplayAbsence(ctx, httpapi.CommandOf(ctx), in.ClinicID, httpapi.ReplayedID(done)))
	})
}

func registerAbsenceList(api *httpapi.Server, service *appointment.Service) {
	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		DoctorID uuid.UUID `query:"doctorId" format:"uuid" doc:"Only those of this doctor and of the whole clinic."`
		From     time.Time `query:"from" format:"date-time" doc:"Only those that end after this time."`
		To       time.Time `query:"to" format:"date-time" doc:"Only those that start before this time."`
		httpapi.Paging
	}
	type listOutput struct{ Body appointment.AbsencePage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-absences", Method: http.MethodGet, Path: absencesPath,
		Tag: "appointments", Action: care.AbsenceRead,
		Summary: "List absences",
		Description: "The clinic's leave, closing days and one-off hours, ordered by start, for " +
			"the people who work there.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := service.ListAbsences(ctx, httpapi.CommandOf(ctx), appointment.AbsenceFilter{
			ClinicID: in.ClinicID, DoctorID: in.DoctorID, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})
}

func registerAbsenceDelete(api *httpapi.Server, service *appointment.Service) {
	type deleteInput struct {
		ClinicID  uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		AbsenceID uuid.UUID `path:"absenceId" format:"uuid" doc:"The absence."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-absence", Method: http.MethodDelete, Path: absencesPath + "/{absenceId}",
		Tag: "appointments", Action: care.HoursWrite,
		Summary: "Delete an absence",
		Description: "Deletes leave, a closing day or one-off hours. For the people who can " +
			"create it. The doctor's hours apply again.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, service.DeleteAbsence(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.AbsenceID)
	})
}
