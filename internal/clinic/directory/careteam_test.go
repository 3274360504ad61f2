package directory_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func (b *testBundle) team(member, patient care.Actor, clinic uuid.UUID) directory.CareTeamMember {
	return directory.CareTeamMember{PatientID: patient.UserID, ClinicID: clinic, MemberID: member.UserID}
}

func TestCareTeam_RequiresRolesAtTheClinicAndItsAdmin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		actor care.Actor
		in    directory.CareTeamMember
		code  care.Code
	}{
		"an admin as a member":       {b.admin, b.team(b.admin, b.patient, b.here), care.Invalid},
		"a nurse as a patient":       {b.admin, b.team(b.doctor, b.nurse, b.here), care.Invalid},
		"by a doctor":                {b.doctor, b.team(b.doctor, b.patient, b.here), care.Forbidden},
		"at another clinic":          {b.admin, b.team(b.doctor, b.patient, b.there), care.Forbidden},
		"of another clinic's people": {b.other, b.team(b.doctor, b.patient, b.there), care.Invalid},
	} {
		n := b.Mark(t)
		_, err := b.dir.AddCareTeamMember(t.Context(), by(c.actor), c.in)
		requireCode(t, err, c.code)
		if c.code == care.Forbidden {
			requireCode(t, b.dir.RemoveCareTeamMember(t.Context(), by(c.actor), c.in), care.Forbidden)
			require.Equal(t, []string{"access.denied", "access.denied"}, types(b.EventsSince(t, n)), name)
		}
	}
}

func TestCareTeam_JoiningAndLeavingAppendOneEventEach(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in, n := b.team(b.doctor, b.patient, b.here), b.Mark(t)
	for _, joined := range []bool{true, false} {
		got, err := b.dir.AddCareTeamMember(t.Context(), by(b.admin), in)
		require.NoError(t, err)
		require.Equal(t, joined, got)
	}
	require.NoError(t, b.dir.RemoveCareTeamMember(t.Context(), by(b.admin), in))
	requireCode(t, b.dir.RemoveCareTeamMember(t.Context(), by(b.admin), in), care.NotFound)
	clinics, err := b.dir.OnCareTeam(t.Context(), b.doctor.UserID, b.patient.UserID)
	require.NoError(t, err)
	require.Empty(t, clinics)
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"care_team.joined", "care_team.left"}, types(events))
	for _, e := range events {
		require.Equal(t, "patient/"+b.patient.ID, e.Subject)
		require.Equal(t, &b.patient.UserID, e.Person)
		require.Equal(t, &b.here, e.Clinic)
		require.Equal(t, map[string]any{"userId": b.patient.ID, "clinicId": b.here.String(), "memberId": b.doctor.ID}, e.Data)
	}
}

func TestCareTeam_LosesAMemberWithTheirLastCaringRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.dir.AddCareTeamMember(t.Context(), by(b.admin), b.team(b.doctor, b.patient, b.here))
	require.NoError(t, err)
	role := directory.MembershipInput{UserID: b.doctor.UserID, ClinicID: &b.here, Role: care.Nurse}
	n := b.Mark(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), by(b.admin), role))
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), role))
	require.Equal(t, []string{"membership.granted", "membership.revoked"}, types(b.EventsSince(t, n)), "a caring role is left")
	role.Role, n = care.Doctor, b.Mark(t)
	require.NoError(t, b.dir.RevokeMembership(t.Context(), by(b.admin), role))
	events := b.EventsSince(t, n)
	require.Equal(t, []string{"membership.revoked", "care_team.left"}, types(events))
	require.Equal(t, b.doctor.ID, events[1].Data["memberId"])
}

func TestListCareTeam_IsForThePatientAndTheClinicAndAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, m := range []care.Actor{b.doctor, b.nurse} {
		_, err := b.dir.AddCareTeamMember(t.Context(), by(b.admin), b.team(m, b.patient, b.here))
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		actor care.Actor
		event []string
		code  care.Code
	}{
		"the patient":     {b.patient, []string{}, ""},
		"a doctor":        {b.doctor, []string{"record.read"}, ""},
		"a receptionist":  {b.person(t, b.here, care.Receptionist), []string{"record.read"}, ""},
		"another patient": {b.person(t, b.here, care.Patient), []string{"access.denied"}, care.NotFound},
		"another's admin": {b.other, []string{"access.denied"}, care.NotFound},
	} {
		n := b.Mark(t)
		team, err := b.dir.ListCareTeam(t.Context(), by(c.actor), b.patient.UserID)
		require.Equal(t, c.code, care.CodeOf(err), "%s: %v", name, err)
		require.Equal(t, c.event, types(b.EventsSince(t, n)), name)
		if c.code == "" {
			require.Len(t, team, 2, name)
			require.Equal(t, []care.Role{care.Doctor}, team[0].Roles)
			require.Equal(t, b.doctor.UserID, team[0].MemberID)
		}
	}
	_, err := b.dir.ListCareTeam(t.Context(), by(b.admin), b.nurse.UserID)
	requireCode(t, err, care.NotFound)
}
