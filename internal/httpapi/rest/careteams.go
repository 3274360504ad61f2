package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// CareTeam lists the people who care for a patient.
type CareTeam struct {
	Items []directory.Carer `json:"items"`
}

func registerCareTeams(api *httpapi.Server, dir *directory.Service) {
	const path = "/api/patients/{id}/care-team"
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
	}
	type list struct{ Body CareTeam }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-care-team", Method: http.MethodGet, Path: path, Tag: "clinics", Action: care.CareTeamRead,
		Summary: "List a patient's care team",
		Description: "The doctors and nurses who care for the patient: at all clinics for the " +
			"patient, at the caller's clinics for others. Reading another person's care team is " +
			"audited. Returns 404 if the caller may not see the patient.",
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*list, error) {
		team, err := dir.ListCareTeam(ctx, httpapi.CommandOf(ctx), in.ID)
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
	httpapi.Register(api, httpapi.Operation{
		ID: "join-care-team", Method: http.MethodPut, Path: path + "/{clinicId}/{memberId}",
		Tag: "clinics", Action: care.CareTeamManage,
		Status:  http.StatusCreated,
		Summary: "Add a care team member",
		Description: "Lets a doctor or nurse of the clinic read and write the patient's records " +
			"there. For the clinic's administrators, who cannot add themselves (403).",
		Also:     map[int]string{http.StatusOK: "They were already on the care team; nothing changed."},
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *memberInput) (*output, error) {
		m := directory.CareTeamMember{PatientID: in.ID, ClinicID: in.ClinicID, MemberID: in.MemberID}
		joined, err := dir.AddCareTeamMember(ctx, httpapi.CommandOf(ctx), m)
		out := &output{Status: http.StatusOK, Body: m}
		if joined {
			out.Status = http.StatusCreated
		}
		return out, err
	})
	httpapi.Register(api, httpapi.Operation{
		ID: "leave-care-team", Method: http.MethodDelete, Path: path + "/{clinicId}/{memberId}",
		Tag: "clinics", Action: care.CareTeamManage,
		Summary: "Remove a care team member",
		Description: "The member can no longer read the patient's records, except those that " +
			"name them as the doctor or that they wrote as a doctor; an open socket leaves the " +
			"patient's room. For the clinic's administrators.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *memberInput) (*struct{}, error) {
		return nil, dir.RemoveCareTeamMember(ctx, httpapi.CommandOf(ctx), directory.CareTeamMember{
			PatientID: in.ID, ClinicID: in.ClinicID, MemberID: in.MemberID,
		})
	})
}
