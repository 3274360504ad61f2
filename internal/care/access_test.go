package care_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestAccess_GrantsByRoleAndRelation(t *testing.T) {
	t.Parallel()
	here, elsewhere := uuid.New(), uuid.New()
	at := func(clinic uuid.UUID, roles ...care.Role) care.Actor {
		a := care.Actor{ID: "x", UserID: uuid.New()}
		for _, r := range roles {
			a.Memberships = append(a.Memberships, care.Membership{ClinicID: &clinic, Role: r})
		}
		return a
	}
	require.True(t, at(here, care.Doctor).MayAt(here, care.RecordRead, care.CareTeam))
	require.False(t, at(elsewhere, care.Doctor).MayAt(here, care.RecordRead, care.CareTeam), "a role counts at its clinic only")
	require.False(t, at(here, care.Admin).MayAt(here, care.RecordRead, care.CareTeam, care.SameClinic, care.Responsible))
	require.False(t, at(here, care.Nurse).MayAt(here, care.RecordCreate, care.SameClinic))
	require.True(t, at(here, care.Patient).MayOwn(care.RecordRead))
	require.False(t, care.SystemActor("seed").MayOwn(care.RecordRead))
	require.True(t, care.SystemActor("seed").MayOnPlatform(care.RecordCreate))
	require.False(t, care.SystemActor("seed").MayOnPlatform(care.RecordRead))
	require.False(t, care.Actor{ID: "billing-gateway"}.MayOnPlatform(care.RecordCreate), "another program is not carewire")
	require.Equal(t, []uuid.UUID{here}, at(here, care.Doctor, care.Nurse).ClinicsFor(care.RecordRead, care.CareTeam))
	require.NotNil(t, at(here).ClinicsFor(care.RecordRead, care.CareTeam))
}

func TestAccess_LetsAnotherSystemAppendEventsAtItsClinicAndNothingElse(t *testing.T) {
	t.Parallel()
	here, elsewhere, id := uuid.New(), uuid.New(), uuid.New()
	a := care.ServiceActor(id, []care.Membership{{ClinicID: &here, Role: care.Service}})
	require.True(t, a.MayAt(here, care.EventAppend, care.SameClinic))
	require.False(t, a.MayAt(elsewhere, care.EventAppend, care.SameClinic))
	for _, g := range care.Access {
		require.False(t, a.MayOwn(g.Action) || a.MayOnPlatform(g.Action), g.Action)
		require.Equal(t, g.Action == care.EventAppend, a.MayAt(here, g.Action, care.Own, care.CareTeam, care.Responsible, care.SameClinic, care.Platform), g.Action)
		require.Equal(t, g.Action == care.EventAppend, g.Role == care.Service, g.Action)
	}
	got, ok := a.ServiceAccount()
	require.True(t, ok)
	require.Equal(t, id, got)
	require.Equal(t, care.Service, a.RoleAt(here))
	require.False(t, a.IsSystem())
	for _, other := range []care.Actor{care.SystemActor("seed"), {ID: "service:" + id.String(), UserID: id}, {ID: "service:7"}, {ID: id.String(), UserID: id}} {
		_, ok := other.ServiceAccount()
		require.False(t, ok, other.ID)
	}
}

func TestAccess_GrantsPlatformRolesNoRecords(t *testing.T) {
	t.Parallel()
	for _, g := range care.Access {
		if g.Role == care.Auditor || g.Role == care.Operator {
			require.NotContains(t, []care.Action{care.RecordCreate, care.RecordRead, care.RecordReplace}, g.Action)
		}
	}
}

// Row-level security shows clinical data to clinical roles only: a grant to any other role would
// have no effect.
func TestAccess_GrantsClinicalDataOfOthersToClinicalRolesOnly(t *testing.T) {
	t.Parallel()
	for _, g := range care.Access {
		subject, _, _ := strings.Cut(string(g.Action), ".")
		if slices.Contains([]string{"record", "conversation", "message"}, subject) && g.Relation != care.Own && g.Relation != care.Platform {
			require.True(t, g.Role.Clinical(), g)
		}
	}
	for _, role := range []care.Role{care.Patient, care.Receptionist, care.Admin, care.Auditor, care.Operator, care.Service, care.System} {
		require.False(t, role.Clinical(), role)
	}
}

func TestAccess_OnlyTheNamedDoctorReleasesAPrescription(t *testing.T) {
	t.Parallel()
	require.True(t, care.AllowedOn("prescription", care.RecordRelease, care.Doctor, care.Responsible))
	for _, g := range care.Access {
		if g.Action == care.RecordRelease && g.Kinds.Has("prescription") && g.Role != care.System {
			require.Equal(t, []any{care.Doctor, care.Responsible}, []any{g.Role, g.Relation})
		}
		if g.Role == care.Nurse && g.Kinds.Has("prescription") {
			require.NotContains(t, []care.Action{care.RecordRelease, care.RecordMove, care.RecordAmend}, g.Action)
		}
	}
	require.True(t, care.AllowedOn("vital_signs", care.RecordRelease, care.Nurse, care.CareTeam))
	require.True(t, care.Allowed(care.RecordRelease, care.Nurse, care.CareTeam), "of some kinds")
	require.False(t, care.AllowedOn("condition", care.RecordRelease, care.Doctor, care.SameClinic))
	require.True(t, care.AllowedOn("lab_report", care.RecordRelease, care.Doctor, care.SameClinic))
}

func TestAccess_NursesCorrectOnlyTheirOwnRecords(t *testing.T) {
	t.Parallel()
	for _, g := range care.Access {
		if g.Role == care.Nurse && (g.Action == care.RecordAmend || g.Action == care.RecordRetract) {
			require.Equal(t, care.Author, g.Relation)
		}
	}
}

func TestKinds_LimitAGrant(t *testing.T) {
	t.Parallel()
	for kinds, has := range map[string][2]bool{
		care.Kinds{}.String():          {care.Kinds{}.Has("a"), care.Kinds{}.Has("")},
		care.OnlyKinds("a").String():   {care.OnlyKinds("a").Has("a"), care.OnlyKinds("a").Has("b")},
		care.AllKindsBut("a").String(): {care.AllKindsBut("a").Has("a"), care.AllKindsBut("a").Has("b")},
	} {
		require.Equal(t, map[string][2]bool{"all": {true, true}, "a": {true, false}, "all but a": {false, true}}[kinds], has, kinds)
	}
}
