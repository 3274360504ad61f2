package care_test

import (
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

func TestAccess_GivesPlatformRolesNoRecords(t *testing.T) {
	t.Parallel()
	for _, g := range care.Access {
		if g.Role == care.Auditor || g.Role == care.Operator {
			require.NotContains(t, []care.Action{care.RecordCreate, care.RecordRead, care.RecordReplace}, g.Action)
		}
	}
}
