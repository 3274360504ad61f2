package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func registerInvitations(api *httpapi.Server, dir *directory.Service) {
	const path = clinicsPath + "/{id}/invitations"
	type createInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		Body directory.NewInvitation
	}
	type output struct {
		Location string `header:"Location"`
		Body     directory.Invitation
	}
	created := func(i directory.Invitation, err error) (*output, error) {
		return &output{clinicsPath + "/" + i.ClinicID.String() + "/invitations/" + i.ID.String(), i}, err
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-invitation", Method: http.MethodPost, Path: path, Tag: "clinics", Action: care.PatientRegister,
		Status:      http.StatusCreated,
		Summary:     "Invite somebody to the clinic",
		Description: "Asks the person with this exact address, who may be known at another clinic, to take roles at this one: an administrator any, a receptionist that of a patient. The person is sent a link and holds the roles once they have accepted. The answer is the same whether there is such a person or not. Nobody invites themselves (403).",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *createInput) (*output, error) {
		return created(dir.CreateInvitation(ctx, httpapi.CommandOf(ctx), in.ID, in.Body))
	}, func(ctx context.Context, in *createInput, done *care.ReplayError) (*output, error) {
		return created(dir.GetInvitation(ctx, httpapi.CommandOf(ctx), in.ID, httpapi.ReplayedID(done)))
	})

	type one struct {
		ID           uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		InvitationID uuid.UUID `path:"invitationId" format:"uuid" doc:"The invitation." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5e"`
	}
	type read struct{ Body directory.Invitation }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-invitation", Method: http.MethodGet, Path: path + "/{invitationId}", Tag: "clinics", Action: care.PatientRegister,
		Summary:     "Read an invitation",
		Description: "Whether it was accepted. It does not say whose it is.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*read, error) {
		i, err := dir.GetInvitation(ctx, httpapi.CommandOf(ctx), in.ID, in.InvitationID)
		return &read{i}, err
	})
	registerAcceptance(api, dir)
}

// Acceptance is what a message's link carried.
type Acceptance struct {
	Token string `json:"token" minLength:"1" maxLength:"200" doc:"The value of invitation in the link." example:"qCJqAH6V1Yt9dIhTn8kIqJbKXq6nUe0Xn4T8W0yE0eU"`
}

// AcceptedInvitation says who accepted.
type AcceptedInvitation struct {
	UserID uuid.UUID `json:"userId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

func registerAcceptance(api *httpapi.Server, dir *directory.Service) {
	type input struct {
		Authorization string `header:"Authorization" doc:"Bearer and a token of the identity provider, of a sign-in that may be new here." example:"Bearer eyJhbGciOi…"`
		Body          Acceptance
	}
	type output struct{ Body AcceptedInvitation }
	httpapi.Register(api, httpapi.Operation{
		ID: "accept-invitation", Method: http.MethodPost, Path: "/api/invitations/accept", Tag: "clinics", Action: care.SelfManage,
		Repeatable: true, Identity: true,
		Summary:     "Accept an invitation",
		Description: "Links the sign-in that the bearer token tells of to the person whom the invitation was sent to, and gives them the roles they were invited to. A patient's sign-in may have whatever address; for the roles of those who work at a clinic it must have the verified address that the invitation was sent to (403). Where that address is somebody's who is known at another clinic, the two become one: `userId` is the known one. In a browser the link in the message does the same (`/login?invitation=`). Accepting again changes nothing; a sign-in that is another person's, and an invitation that is over, are answered with 409.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *input) (*output, error) {
		person, err := dir.AcceptInvitation(ctx, httpapi.CommandOf(ctx), httpapi.IdentityOf(ctx), in.Body.Token)
		return &output{AcceptedInvitation{person}}, err
	})
}
