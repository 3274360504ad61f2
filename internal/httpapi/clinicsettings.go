package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func (s *Server) addClinicSettings() {
	const path = clinicsPath + "/{id}/settings"
	type output struct {
		ETag string `header:"ETag"`
		Body directory.ClinicSettings
	}
	answer := func(set directory.ClinicSettings, err error) (*output, error) {
		out := &output{Body: set}
		if set.Version > 0 {
			out.ETag = etag(set.Version)
		}
		return out, err
	}
	type getInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	register(s, operation{
		id: "get-clinic-settings", method: http.MethodGet, path: path, tag: "clinics", summary: "Read a clinic's settings",
		description: "How the clinic works, for everybody of the clinic. Where nobody set anything, `version` is 0 and there is no ETag.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ClinicRead, func(ctx context.Context, in *getInput) (*output, error) {
		return answer(s.cfg.Directory.GetClinicSettings(ctx, commandOf(ctx), in.ID))
	})

	type putInput struct {
		ID      uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the settings that are replaced; left out where none are set."`
		Body    directory.Settings
	}
	register(s, operation{
		id: "set-clinic-settings", method: http.MethodPut, path: path, tag: "clinics", summary: "Set a clinic's settings",
		description: "Replaces all of them, for the clinic's administrators. They count for what is written from then on. A stale `If-Match` is answered with 412 and the current ETag.",
		refusals:    []care.Code{care.Forbidden, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, care.ClinicConfigure, func(ctx context.Context, in *putInput) (*output, error) {
		version, err := parseOptionalETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return answer(s.cfg.Directory.UpdateClinicSettings(ctx, commandOf(ctx), in.ID, version, in.Body))
	})
}
