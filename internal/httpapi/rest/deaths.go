package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

func registerDeaths(api *httpapi.Server, dir *directory.Service) {
	const path = usersPath + "/{id}/deceased"
	replay := func(ctx context.Context, id uuid.UUID) (*userOutput, error) {
		return currentUser(dir.ReplayDeath(ctx, httpapi.CommandOf(ctx), id))
	}
	type recordInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Body directory.Death
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "record-death", Method: http.MethodPost, Path: path, Tag: "users", Action: care.DeathRecord,
		Summary: "Record a death",
		Description: "For receptionists, doctors and administrators of a clinic where the person " +
			"is or was a patient. Nobody can sign in as the person, their sessions end, and " +
			"nothing is sent to them; late results and final invoices can still be entered. The " +
			"account's status does not change. Repeating the same day changes nothing, another " +
			"day returns 409. For a person who works at a clinic it requires an administrator of " +
			"every clinic where they have a role (403).",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *recordInput) (*userOutput, error) {
		return currentUser(dir.RecordDeath(ctx, httpapi.CommandOf(ctx), in.ID, in.Body))
	}, func(ctx context.Context, in *recordInput, _ *care.ReplayError) (*userOutput, error) {
		return replay(ctx, in.ID)
	})

	type withdrawInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Body directory.DeathWithdrawal
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "withdraw-death", Method: http.MethodPost, Path: path + "/withdraw",
		Tag: "users", Action: care.DeathRecord,
		Summary: "Withdraw a death that was recorded by mistake",
		Description: "Takes a reason, which is kept for audits. The person can sign in and gets " +
			"messages again; messages that were not sent meanwhile are not sent later. Returns " +
			"409 if no death is recorded.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *withdrawInput) (*userOutput, error) {
		return currentUser(dir.WithdrawDeath(ctx, httpapi.CommandOf(ctx), in.ID, in.Body))
	}, func(ctx context.Context, in *withdrawInput, _ *care.ReplayError) (*userOutput, error) {
		return replay(ctx, in.ID)
	})
}
