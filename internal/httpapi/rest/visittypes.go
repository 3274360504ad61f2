package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

// VisitTypeList is what a clinic offers appointments for.
type VisitTypeList struct {
	Items []appointment.VisitType `json:"items"`
}

const visitTypesPath = clinicsPath + "/{clinicId}/visit-types"

type visitTypeOutput = versioned[appointment.VisitType]

func createdVisitType(v appointment.VisitType, err error) (*visitTypeOutput, error) {
	path := httpapi.Location(clinicsPath, v.ClinicID.String()) + "/visit-types"
	return newVersioned(http.StatusCreated, v.Version, v).at(path, v.ID), err
}

func registerVisitTypes(api *httpapi.Server, service *appointment.Service) {
	registerVisitTypeCreate(api, service)
	registerVisitTypeList(api, service)
	registerVisitTypeChanges(api, service)
}

func registerVisitTypeCreate(api *httpapi.Server, service *appointment.Service) {
	type createInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
		Body     appointment.VisitTypeInput
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-visit-type", Method: http.MethodPost, Path: visitTypesPath, Tag: "appointments", Action: care.VisitTypeWrite,
		Status:      http.StatusCreated,
		Summary:     "Add a visit type",
		Description: "What the clinic offers appointments for, and how long they take that do not say: for receptionists and administrators. A clinic has at most 200.",
		Refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*visitTypeOutput, error) {
		return createdVisitType(service.CreateVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*visitTypeOutput, error) {
		return createdVisitType(service.GetVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, httpapi.ReplayedID(done)))
	})
}

func registerVisitTypeList(api *httpapi.Server, service *appointment.Service) {
	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"Where."`
	}
	type listOutput struct{ Body VisitTypeList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-visit-types", Method: http.MethodGet, Path: visitTypesPath, Tag: "appointments", Action: care.VisitTypeRead,
		Summary:     "List visit types",
		Description: "All of the clinic's by name, for everybody of the clinic, its patients too; those that are not `active` are no longer offered.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		items, err := service.ListVisitTypes(ctx, httpapi.CommandOf(ctx), in.ClinicID)
		return &listOutput{VisitTypeList{items}}, err
	})
}

func registerVisitTypeChanges(api *httpapi.Server, service *appointment.Service) {
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
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-visit-type", Method: http.MethodPut, Path: visitTypesPath + "/{visitTypeId}", Tag: "appointments", Action: care.VisitTypeWrite,
		Summary:     "Replace a visit type",
		Description: "Appointments that have it keep their times. A stale `If-Match` is answered with 412 and the current ETag.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*visitTypeOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*visitTypeOutput, error) {
			v, err := service.UpdateVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.VisitTypeID, version, in.Body)
			return newVersioned(http.StatusOK, v.Version, v), err
		})
	})
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-visit-type", Method: http.MethodDelete, Path: visitTypesPath + "/{visitTypeId}", Tag: "appointments", Action: care.VisitTypeWrite,
		Summary:     "Stop offering a visit type",
		Description: "It is inactive from then on; the appointments that have it keep it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, service.RetireVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.VisitTypeID)
	})
}
