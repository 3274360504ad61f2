package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// NewMember is a new role of a person at a clinic.
type NewMember struct {
	UserID uuid.UUID `json:"userId" format:"uuid" doc:"A person who already has a role at the clinic. Invite others." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	Role   care.Role `json:"role" enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
}

// Member is a role of a person at a clinic.
type Member struct {
	UserID   uuid.UUID `json:"userId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	ClinicID uuid.UUID `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Role     care.Role `json:"role" enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
}

func registerMembers(api *httpapi.Server, dir *directory.Service) {
	const path = clinicsPath + "/{id}/members"
	type grantInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		Body NewMember
	}
	type output struct {
		Location string `header:"Location"`
		Body     Member
	}
	granted := func(in *grantInput) *output {
		m := Member{UserID: in.Body.UserID, ClinicID: in.ID, Role: in.Body.Role}
		return &output{clinicsPath + "/" + m.ClinicID.String() + "/members/" + m.UserID.String() + "/" + string(m.Role), m}
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "grant-role", Method: http.MethodPost, Path: path, Tag: "clinics", Action: care.MembershipManage,
		Status:  http.StatusCreated,
		Summary: "Grant a role",
		Description: "Grants another role to a person who already has one at the clinic. " +
			"Administrators can grant any role, receptionists that of a patient. It applies from " +
			"the person's next request. A role that the person already has returns 409. Nobody " +
			"can grant roles to themselves (403).",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *grantInput) (*output, error) {
		err := dir.GrantMembership(ctx, httpapi.CommandOf(ctx), directory.MembershipInput{
			UserID: in.Body.UserID, ClinicID: &in.ID, Role: in.Body.Role,
		})
		return granted(in), err
	}, func(_ context.Context, in *grantInput, _ *care.ReplayError) (*output, error) { return granted(in), nil })

	type revokeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Role   care.Role `path:"role" doc:"The role to revoke." enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "revoke-role", Method: http.MethodDelete, Path: path + "/{userId}/{role}",
		Tag: "clinics", Action: care.MembershipManage,
		Summary: "Revoke a role",
		Description: "Revokes a role at the clinic, from the person's next request; open sockets " +
			"are updated at once. A person without a caring role leaves the clinic's care teams. " +
			"Administrators cannot revoke their own role of administrator (409).",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *revokeInput) (*struct{}, error) {
		return nil, dir.RevokeMembership(ctx, httpapi.CommandOf(ctx), directory.MembershipInput{
			UserID: in.UserID, ClinicID: &in.ID, Role: in.Role,
		})
	})
}
