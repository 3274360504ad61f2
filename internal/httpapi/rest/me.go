package rest

import (
	"context"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

func registerMe(api *httpapi.Server, dir *directory.Service) {
	type output = versioned[directory.Me]
	answer := func(me directory.Me, err error) (*output, error) {
		return newVersioned(http.StatusOK, me.Version, me), err
	}
	type getInput struct {
		IfNoneMatch string `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "me", Method: http.MethodGet, Path: "/api/me", Tag: "me", Action: care.SelfManage,
		Summary: "Get own account",
		Description: "The caller's account and roles: at a clinic, or on the platform if " +
			"`clinicId` is null.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *getInput) (*output, error) {
		me, err := dir.GetSelf(ctx, httpapi.ActorOf(ctx))
		return unlessMatched(in.IfNoneMatch, me.Version, me), err
	})

	type replaceInput struct {
		IfMatch string `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body    directory.SelfInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-me", Method: http.MethodPut, Path: "/api/me", Tag: "me", Action: care.SelfManage,
		Summary: "Replace own contacts and locale",
		Description: "Replaces the caller's phone and WhatsApp number, locale and time zone. A " +
			"changed number must be verified again. All other details can be changed only by the " +
			"clinic.",
		Refusals: []care.Code{care.Forbidden, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*output, error) {
		return withVersion(in.IfMatch, func(version int64) (*output, error) {
			return answer(dir.UpdateSelf(ctx, httpapi.CommandOf(ctx), version, in.Body))
		})
	})
}
