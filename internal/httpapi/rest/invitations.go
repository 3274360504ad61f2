package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
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
		Status:  http.StatusCreated,
		Summary: "Invite a person to the clinic",
		Description: "Invites the person with this exact address, who can have roles at another " +
			"clinic, to roles at this one. Administrators can invite to any role, receptionists " +
			"to that of a patient. The person gets a link and has the roles after accepting. The " +
			"answer does not reveal whether the address is known. Nobody can invite themselves " +
			"(403).",
		Refusals: []care.Code{care.Forbidden},
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
		ID: "get-invitation", Method: http.MethodGet, Path: path + "/{invitationId}",
		Tag: "clinics", Action: care.PatientRegister,
		Summary:     "Get an invitation",
		Description: "Whether it was accepted. It does not reveal who accepted it.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*read, error) {
		i, err := dir.GetInvitation(ctx, httpapi.CommandOf(ctx), in.ID, in.InvitationID)
		return &read{i}, err
	})
	registerAcceptance(api, dir)
}

// Acceptance is the token of the link in an invitation's message.
type Acceptance struct {
	Token string `json:"token" minLength:"1" maxLength:"200" doc:"The value of the link's parameter invitation." example:"qCJqAH6V1Yt9dIhTn8kIqJbKXq6nUe0Xn4T8W0yE0eU"`
}

// AcceptedInvitation is the person who accepted.
type AcceptedInvitation struct {
	UserID uuid.UUID `json:"userId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

func registerAcceptance(api *httpapi.Server, dir *directory.Service) {
	type input struct {
		Authorization string `header:"Authorization" doc:"Bearer and a token of the identity provider, of a sign-in that can be new to this service." example:"Bearer eyJhbGciOi…"`
		Body          Acceptance
	}
	type output struct{ Body AcceptedInvitation }
	httpapi.Register(api, httpapi.Operation{
		ID: "accept-invitation", Method: http.MethodPost, Path: "/api/invitations/accept",
		Tag: "clinics", Action: care.SelfManage,
		Repeatable: true, Identity: true,
		Summary: "Accept an invitation",
		Description: "Links the sign-in of the bearer token to the invited person, and grants " +
			"them the roles of the invitation. The sign-in of a patient can have any address. " +
			"Roles of people who work at a clinic require the verified address that the " +
			"invitation was sent to (403). If that address belongs to a person of another " +
			"clinic, the two are merged: `userId` is the existing person. In a browser, the link " +
			"in the message does the same (`/login?invitation=`). Accepting again changes " +
			"nothing. Returns 409 if the sign-in belongs to another person, or if the invitation " +
			"is no longer valid.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *input) (*output, error) {
		person, err := dir.AcceptInvitation(ctx, httpapi.CommandOf(ctx), httpapi.IdentityOf(ctx), in.Body.Token)
		return &output{AcceptedInvitation{person}}, err
	})
}
