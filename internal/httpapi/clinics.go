package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const clinicsPath = "/api/clinics"

// ClinicList is the clinics that the caller belongs to.
type ClinicList struct {
	Items []directory.Clinic `json:"items"`
}

func (s *Server) addClinics() {
	s.collections["clinic"] = clinicsPath
	dir := s.cfg.Directory
	type list struct{ Body ClinicList }
	register(s, operation{
		id: "list-clinics", method: http.MethodGet, path: clinicsPath, tag: "clinics", summary: "List one's clinics",
		description: "The clinics at which the caller holds a role; all of them for an operator. Clinics are registered by the platform.",
	}, care.ClinicRead, func(ctx context.Context, _ *struct{}) (*list, error) {
		clinics, err := dir.ListClinics(ctx, infoOf(ctx).actor)
		return &list{ClinicList{clinics}}, err
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	type output struct{ Body directory.Clinic }
	register(s, operation{
		id: "get-clinic", method: http.MethodGet, path: clinicsPath + "/{id}", tag: "clinics", summary: "Read a clinic",
		description: "One of the caller's clinics. Another is answered like one that is not there.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ClinicRead, func(ctx context.Context, in *one) (*output, error) {
		clinic, err := dir.GetClinic(ctx, commandOf(ctx), in.ID)
		return &output{clinic}, err
	})
	s.addClinicSettings()
	s.addMembers()
	s.addCareTeams()
}

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

func (s *Server) addMembers() {
	const path = clinicsPath + "/{id}/members"
	dir := s.cfg.Directory
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
	register(s, operation{
		id: "grant-role", method: http.MethodPost, path: path, tag: "clinics", summary: "Give a person a role", status: http.StatusCreated,
		description: "Gives somebody who is known at the clinic another role there: an administrator any, a receptionist that of a patient. It counts from the next request on. A role that is held already is answered with 409. Nobody gives a role to themselves (403).",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.MembershipManage, once(func(ctx context.Context, in *grantInput) (*output, error) {
		err := dir.GrantMembership(ctx, commandOf(ctx), directory.MembershipInput{UserID: in.Body.UserID, ClinicID: &in.ID, Role: in.Body.Role})
		return granted(in), err
	}, func(_ context.Context, in *grantInput, _ *care.ReplayError) (*output, error) { return granted(in), nil }))

	type revokeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Role   care.Role `path:"role" doc:"The role that is taken." enum:"patient,doctor,nurse,receptionist,admin" example:"nurse"`
	}
	register(s, operation{
		id: "revoke-role", method: http.MethodDelete, path: path + "/{userId}/{role}", tag: "clinics", summary: "Take a role from a person",
		description: "Takes a role at the clinic from a person, from their next request on; open sockets follow at once. Who holds no caring role any more leaves the clinic's care teams. Nobody takes their own role of administrator (409).",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, care.MembershipManage, func(ctx context.Context, in *revokeInput) (*struct{}, error) {
		return nil, dir.RevokeMembership(ctx, commandOf(ctx), directory.MembershipInput{UserID: in.UserID, ClinicID: &in.ID, Role: in.Role})
	})
}

// CareTeam is who cares for a patient.
type CareTeam struct {
	Items []directory.Carer `json:"items"`
}

func (s *Server) addCareTeams() {
	const path = "/api/patients/{id}/care-team"
	dir := s.cfg.Directory
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
	}
	type list struct{ Body CareTeam }
	register(s, operation{
		id: "list-care-team", method: http.MethodGet, path: path, tag: "clinics", summary: "List a patient's care team",
		description: "The doctors and nurses who care for the patient: for the patient everywhere, for others at their clinics. Being shown another's is audited. A patient whom the caller may not know of is answered like one who is not there.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.CareTeamRead, func(ctx context.Context, in *listInput) (*list, error) {
		team, err := dir.ListCareTeam(ctx, commandOf(ctx), in.ID)
		return &list{CareTeam{team}}, err
	})

	type memberInput struct {
		ID       uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
		ClinicID uuid.UUID `path:"clinicId" format:"uuid" doc:"The clinic at which the member cares for the patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		MemberID uuid.UUID `path:"memberId" format:"uuid" doc:"The doctor or nurse." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	}
	type output struct {
		Status int
		Body   directory.CareTeamMember
	}
	register(s, operation{
		id: "join-care-team", method: http.MethodPut, path: path + "/{clinicId}/{memberId}", tag: "clinics", summary: "Put somebody on a care team", status: http.StatusCreated,
		also:        map[int]string{http.StatusOK: "They were on the care team already; nothing was changed."},
		description: "Lets a doctor or nurse of the clinic read and write the records of a patient there. For the clinic's administrators, who do not put themselves on one (403).",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.CareTeamManage, func(ctx context.Context, in *memberInput) (*output, error) {
		m := directory.CareTeamMember{PatientID: in.ID, ClinicID: in.ClinicID, MemberID: in.MemberID}
		joined, err := dir.AddCareTeamMember(ctx, commandOf(ctx), m)
		out := &output{Status: http.StatusOK, Body: m}
		if joined {
			out.Status = http.StatusCreated
		}
		return out, err
	})
	register(s, operation{
		id: "leave-care-team", method: http.MethodDelete, path: path + "/{clinicId}/{memberId}", tag: "clinics", summary: "Take somebody off a care team",
		description: "The member reads the patient's records no more, but those that name them as the doctor or that they wrote as one; an open socket leaves the patient's room. For the clinic's administrators.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.CareTeamManage, func(ctx context.Context, in *memberInput) (*struct{}, error) {
		return nil, dir.RemoveCareTeamMember(ctx, commandOf(ctx), directory.CareTeamMember{PatientID: in.ID, ClinicID: in.ClinicID, MemberID: in.MemberID})
	})
}
