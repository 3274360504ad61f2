package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

// VisitTypeList is what a clinic offers appointments for.
type VisitTypeList struct {
	Items []appointment.VisitType `json:"items"`
}

func (s *Server) addVisitTypes() {
	const path = clinicsPath + "/{clinicId}/visit-types"
	service := s.cfg.Appointments
	type output struct {
		ETag     string `header:"ETag"`
		Location string `header:"Location"`
		Body     appointment.VisitType
	}
	type createInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		Body     appointment.VisitTypeInput
	}
	created := func(v appointment.VisitType, err error) (*output, error) {
		return &output{etag(v.Version), location(clinicsPath+"/"+v.ClinicID.String()+"/visit-types", v.ID.String()), v}, err
	}
	register(s, operation{
		id: "create-visit-type", method: http.MethodPost, path: path, tag: "appointments", status: http.StatusCreated,
		summary:     "Add a visit type",
		description: "What the clinic offers appointments for, and how long they take that do not say: for receptionists and administrators. A clinic has at most 200.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.VisitTypeWrite, once(func(ctx context.Context, in *createInput) (*output, error) {
		return created(service.CreateVisitType(ctx, commandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*output, error) {
		return created(service.GetVisitType(ctx, commandOf(ctx), in.ClinicID, idOf(done)))
	}))

	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
	}
	type listOutput struct{ Body VisitTypeList }
	register(s, operation{
		id: "list-visit-types", method: http.MethodGet, path: path, tag: "appointments",
		summary:     "List visit types",
		description: "All of the clinic's by name, for everybody of the clinic, its patients too; those that are not `active` are no longer offered.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.VisitTypeRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		items, err := service.ListVisitTypes(ctx, commandOf(ctx), in.ClinicID)
		return &listOutput{VisitTypeList{items}}, err
	})

	type one struct {
		ClinicID    uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		VisitTypeID uuid.UUID `path:"visitTypeId" format:"uuid" doc:"The visit type."`
	}
	type replaceInput struct {
		ClinicID    uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		VisitTypeID uuid.UUID `path:"visitTypeId" format:"uuid" doc:"The visit type."`
		IfMatch     string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body        appointment.VisitTypeChange
	}
	register(s, operation{
		id: "replace-visit-type", method: http.MethodPut, path: path + "/{visitTypeId}", tag: "appointments",
		summary:     "Replace a visit type",
		description: "Appointments that have it keep their times. A stale `If-Match` is answered with 412 and the current ETag.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, care.VisitTypeWrite, func(ctx context.Context, in *replaceInput) (*output, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		v, err := service.UpdateVisitType(ctx, commandOf(ctx), in.ClinicID, in.VisitTypeID, version, in.Body)
		return &output{ETag: etag(v.Version), Body: v}, err
	})
	register(s, operation{
		id: "delete-visit-type", method: http.MethodDelete, path: path + "/{visitTypeId}", tag: "appointments",
		summary:     "Stop offering a visit type",
		description: "It is inactive from then on; the appointments that have it keep it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.VisitTypeWrite, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, service.RetireVisitType(ctx, commandOf(ctx), in.ClinicID, in.VisitTypeID)
	})
}
