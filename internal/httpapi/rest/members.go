package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// NewMember is a role that a person is to hold at a clinic.
type NewMember struct {
	UserID uuid.UUID `json:"userId" format:"uuid" doc:"Somebody who holds a role at the clinic already. Others are invited." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	Role   care.Role `json:"role" enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
}

// Member is a role that a person holds at a clinic.
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
		Status:      http.StatusCreated,
		Summary:     "Give a person a role",
		Description: "Gives somebody who is known at the clinic another role there: an administrator any, a receptionist that of a patient. It counts from the next request on. A role that is held already is answered with 409. Nobody gives a role to themselves (403).",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *grantInput) (*output, error) {
		err := dir.GrantMembership(ctx, httpapi.CommandOf(ctx), directory.MembershipInput{UserID: in.Body.UserID, ClinicID: &in.ID, Role: in.Body.Role})
		return granted(in), err
	}, func(_ context.Context, in *grantInput, _ *care.ReplayError) (*output, error) { return granted(in), nil })

	type revokeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Role   care.Role `path:"role" doc:"The role that is taken." enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "revoke-role", Method: http.MethodDelete, Path: path + "/{userId}/{role}", Tag: "clinics", Action: care.MembershipManage,
		Summary:     "Take a role from a person",
		Description: "Takes a role at the clinic from a person, from their next request on; open sockets follow at once. Who holds no caring role any more leaves the clinic's care teams. Nobody takes their own role of administrator (409).",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *revokeInput) (*struct{}, error) {
		return nil, dir.RevokeMembership(ctx, httpapi.CommandOf(ctx), directory.MembershipInput{UserID: in.UserID, ClinicID: &in.ID, Role: in.Role})
	})
}
