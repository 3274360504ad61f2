package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

// CriticalLimitList lists the critical limits of a clinic.
type CriticalLimitList struct {
	Items []ehr.CriticalLimit `json:"items"`
}

// CriticalLimitPath identifies a clinic's own limit.
type CriticalLimitPath struct {
	ID         uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Code       string    `path:"code" minLength:"1" maxLength:"100" doc:"The code of the measurement." example:"2823-3"`
	Unit       string    `query:"unit" required:"true" minLength:"1" maxLength:"50" doc:"The unit, in UCUM; 1 for results without one." example:"mmol/L"`
	CodeSystem string    `query:"codeSystem" maxLength:"200" default:"http://loinc.org" doc:"The URI of the code system."`
}

func (p CriticalLimitPath) of() ehr.LimitOf {
	return ehr.LimitOf{CodeSystem: p.CodeSystem, Code: p.Code, Unit: p.Unit}
}

// registerCriticalLimits adds the routes of critical limits.
func registerCriticalLimits(api *httpapi.Server, writer *outbox.Writer) {
	const path = clinicsPath + "/{id}/critical-limits"
	limits := ehr.NewCriticalLimits(writer)
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	type list struct{ Body CriticalLimitList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-critical-limits", Method: http.MethodGet, Path: path,
		Tag: "records", Action: care.CriticalLimitsRead,
		Summary: "List a clinic's critical limits",
		Description: "The limits beyond which a result of a lab report or a vital sign is " +
			"critical at the clinic, for the people who work there: the clinic's own limits " +
			"(`source` clinic, at most 500), and the built-in limits for each code and unit " +
			"without one. A critical finding appends `ehr.<kind>.critical`, even if the " +
			"laboratory set no flag.",
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
		ID: "set-critical-limit", Method: http.MethodPut, Path: path + "/{code}",
		Tag: "records", Action: care.CriticalLimitsWrite,
		Summary: "Set a critical limit of a clinic",
		Description: "Sets the limits beyond which a result with this code and unit is critical " +
			"at the clinic, for its doctors and administrators. It replaces the built-in limit " +
			"for the code and unit, and applies to everything that is written afterwards; " +
			"existing records raise no alarm. A limit on one side leaves the other side open.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *putInput) (*output, error) {
		limit, err := limits.Update(ctx, httpapi.CommandOf(ctx), in.ID, in.of(), in.Body)
		return &output{limit}, err
	})

	type deleteInput struct{ CriticalLimitPath }
	httpapi.Register(api, httpapi.Operation{
		ID: "delete-critical-limit", Method: http.MethodDelete, Path: path + "/{code}",
		Tag: "records", Action: care.CriticalLimitsWrite,
		Summary: "Delete a critical limit of a clinic",
		Description: "Deletes the clinic's own limit; the built-in limit for the code and unit " +
			"applies again, if there is one. Deleting a limit that does not exist changes " +
			"nothing.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *deleteInput) (*struct{}, error) {
		return nil, limits.Delete(ctx, httpapi.CommandOf(ctx), in.ID, in.of())
	})
}
