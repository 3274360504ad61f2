package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/httpapi"
)

// VisitTypeList lists the visit types of a clinic.
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
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		Body     appointment.VisitTypeInput
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-visit-type", Method: http.MethodPost, Path: visitTypesPath,
		Tag: "appointments", Action: care.VisitTypeWrite,
		Status:  http.StatusCreated,
		Summary: "Create a visit type",
		Description: "A reason for appointments that the clinic offers, with their default " +
			"length. For receptionists and administrators. A clinic has at most 200.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*visitTypeOutput, error) {
		return createdVisitType(service.CreateVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*visitTypeOutput, error) {
		return createdVisitType(service.GetVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, httpapi.ReplayedID(done)))
	})
}

func registerVisitTypeList(api *httpapi.Server, service *appointment.Service) {
	type listInput struct {
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
	}
	type listOutput struct{ Body VisitTypeList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-visit-types", Method: http.MethodGet, Path: visitTypesPath,
		Tag: "appointments", Action: care.VisitTypeRead,
		Summary: "List visit types",
		Description: "All visit types of the clinic, ordered by name, for everybody of the " +
			"clinic, including its patients. The clinic does not offer those that are not " +
			"`active`.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		items, err := service.ListVisitTypes(ctx, httpapi.CommandOf(ctx), in.ClinicID)
		return &listOutput{VisitTypeList{items}}, err
	})
}

func registerVisitTypeChanges(api *httpapi.Server, service *appointment.Service) {
	type one struct {
		ClinicID    uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		VisitTypeID uuid.UUID `path:"visitTypeId" format:"uuid" doc:"The visit type."`
	}
	type replaceInput struct {
		ClinicID    uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic."`
		VisitTypeID uuid.UUID `path:"visitTypeId" format:"uuid" doc:"The visit type."`
		IfMatch     string    `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body        appointment.VisitTypeChange
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-visit-type", Method: http.MethodPut, Path: visitTypesPath + "/{visitTypeId}",
		Tag: "appointments", Action: care.VisitTypeWrite,
		Summary: "Replace a visit type",
		Description: "Existing appointments of this type keep their times. A stale `If-Match` " +
			"returns 412 with the current ETag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*visitTypeOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*visitTypeOutput, error) {
			v, err := service.UpdateVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.VisitTypeID, version, in.Body)
			return newVersioned(http.StatusOK, v.Version, v), err
		})
	})
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-visit-type", Method: http.MethodDelete, Path: visitTypesPath + "/{visitTypeId}",
		Tag: "appointments", Action: care.VisitTypeWrite,
		Summary:     "Deactivate a visit type",
		Description: "The clinic no longer offers it; existing appointments keep it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, service.RetireVisitType(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.VisitTypeID)
	})
}
