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
		return currentUser(dir.DeathSubject(ctx, httpapi.CommandOf(ctx), id))
	}
	type recordInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Body directory.Death
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "record-death", Method: http.MethodPost, Path: path, Tag: "users", Action: care.DeathRecord,
		Summary:     "Record that a patient has died",
		Description: "For receptionists, doctors and administrators of a clinic where the person is a patient or was one. Nobody signs in as the person any more, their sessions end, and nothing is sent to them; late results and final invoices are still entered. The status of the account stays. The same day again changes nothing, another one is answered with 409. A person who works at a clinic is left to the administrator of every clinic where they hold a role (403).",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
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
		ID: "withdraw-death", Method: http.MethodPost, Path: path + "/withdraw", Tag: "users", Action: care.DeathRecord,
		Summary:     "Withdraw a death that was recorded by mistake",
		Description: "With the reason, which is kept for the audit. The person may sign in and is sent messages again; what was not sent meanwhile is not sent later. Where no death is recorded the answer is 409.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *withdrawInput) (*userOutput, error) {
		return currentUser(dir.WithdrawDeath(ctx, httpapi.CommandOf(ctx), in.ID, in.Body))
	}, func(ctx context.Context, in *withdrawInput, _ *care.ReplayError) (*userOutput, error) {
		return replay(ctx, in.ID)
	})
}
