package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"
	"carewire/internal/outbox"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// CriticalLimitList is the critical limits in force at a clinic.
type CriticalLimitList struct {
	Items []ehr.CriticalLimit `json:"items"`
}

// CriticalLimitPath names one limit of a clinic's own.
type CriticalLimitPath struct {
	ID         uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Code       string    `path:"code" minLength:"1" maxLength:"100" doc:"What is measured." example:"2823-3"`
	Unit       string    `query:"unit" required:"true" minLength:"1" maxLength:"50" doc:"The unit, in UCUM; 1 for results without one." example:"mmol/L"`
	CodeSystem string    `query:"codeSystem" maxLength:"200" default:"http://loinc.org" doc:"The URI of the code system."`
}

func (p CriticalLimitPath) of() ehr.LimitOf {
	return ehr.LimitOf{CodeSystem: p.CodeSystem, Code: p.Code, Unit: p.Unit}
}

// addCriticalLimits adds the routes of the clinics' critical limits.
func registerCriticalLimits(api *httpapi.Server, writer *outbox.Writer) {
	const path = clinicsPath + "/{id}/critical-limits"
	limits := ehr.NewCriticalLimits(writer)
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	type list struct{ Body CriticalLimitList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-critical-limits", Method: http.MethodGet, Path: path, Tag: "records", Action: care.CriticalLimitsRead,
		Summary: "List a clinic's critical limits",
		Description: "From which values on a result of a lab report or a vital sign at the clinic is critical, for who works there: the clinic's own limits (`source` clinic, at most 500), and the built-in ones for every code and unit for which it has none. " +
			"A critical finding is told of by `ehr.<kind>.critical`, also where the laboratory forgot the flag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*list, error) {
		all, err := limits.List(ctx, httpapi.CommandOf(ctx), in.ID)
		return &list{CriticalLimitList{all}}, err
	})

	type putInput struct {
		CriticalLimitPath
		Body ehr.LimitInput
	}
	type output struct{ Body ehr.CriticalLimit }
	httpapi.Register(api, httpapi.Operation{
		ID: "set-critical-limit", Method: http.MethodPut, Path: path + "/{code}", Tag: "records", Action: care.CriticalLimitsWrite,
		Summary: "Set a critical limit of a clinic",
		Description: "Sets from which values on a result with the code, in the unit, is critical at the clinic, for its doctors and administrators. It replaces the built-in limit for the code and unit, and counts for whatever is written after it; what was written before raises no alarm. " +
			"A limit on one side leaves the other open.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		limit, err := limits.Update(ctx, httpapi.CommandOf(ctx), in.ID, in.of(), in.Body)
		return &output{limit}, err
	})

	type deleteInput struct{ CriticalLimitPath }
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-critical-limit", Method: http.MethodDelete, Path: path + "/{code}", Tag: "records", Action: care.CriticalLimitsWrite,
		Summary:     "Delete a critical limit of a clinic",
		Description: "Deletes a limit that the clinic set: the built-in one for the code and unit counts again, where there is one. Deleting one that is not there changes nothing.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, limits.Delete(ctx, httpapi.CommandOf(ctx), in.ID, in.of())
	})
}
