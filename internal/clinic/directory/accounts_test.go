package directory_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func accountIDs(page directory.AccountPage) []string {
	ids := []string{}
	for _, a := range page.Items {
		ids = append(ids, a.ID.String())
	}
	return ids
}

func TestAccounts_AreThoseOfStaffAndTheirListIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	platform, err := b.dir.CreateUser(t.Context(), cli, directory.NewUser{
		Email: "olga@Clinic.example", GivenName: "Olga", FamilyName: "Marin", PlatformRoles: []care.Role{care.Operator, care.Auditor},
	})
	require.NoError(t, err)
	n := b.Mark(t)
	page, err := b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{})
	require.NoError(t, err)
	ids := accountIDs(page)
	require.Equal(t, []string{b.admin.ID, b.other.ID, b.doctor.ID, b.nurse.ID, platform.ID.String()}, ids, "no patient")
	require.Equal(t, "olga@clinic.example", page.Items[4].Email)
	require.Equal(t, []care.Membership{{Role: care.Operator}, {Role: care.Auditor}}, page.Items[4].Memberships)
	e := b.EventsSince(t, n)
	require.Equal(t, []string{"account.listed"}, types(e))
	require.Equal(t, "accounts/all", e[0].Subject)
	require.Len(t, e[0].Data["userIds"], 5)

	page, err = b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{ClinicID: b.here, Role: care.Nurse, Status: "active"})
	require.NoError(t, err)
	require.Equal(t, []string{b.nurse.ID}, accountIDs(page))
	require.Equal(t, "clinic/"+b.here.String(), b.Last(t).Subject)
	require.Equal(t, []any{"clinic", "role", "status"}, b.Last(t).Data["filters"])
	page, err = b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{UserID: b.patient.UserID})
	require.NoError(t, err)
	require.Empty(t, page.Items)

	first, err := b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, ids[:2], accountIDs(first))
	second, err := b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{Limit: 3, Cursor: first.Next})
	require.NoError(t, err)
	require.Equal(t, ids[2:], accountIDs(second))
	require.Empty(t, second.Next)

	_, err = b.dir.ListAccounts(t.Context(), cli, directory.AccountFilter{Role: "king", Status: "gone", Cursor: "x", Limit: 201})
	requireCode(t, err, care.Invalid)
	for _, actor := range []care.Actor{b.admin, b.Person(t, care.Operator, nil), b.patient} {
		_, err = b.dir.ListAccounts(t.Context(), by(actor), directory.AccountFilter{})
		requireCode(t, err, care.Forbidden)
		_, err = b.dir.ListRoles(t.Context(), by(actor), directory.AccountFilter{})
		requireCode(t, err, care.Forbidden)
		_, err = b.dir.FindAccounts(t.Context(), by(actor), "olga@clinic.example")
		requireCode(t, err, care.Forbidden)
	}
	require.Equal(t, "access.denied", b.Last(t).Type)
}

func TestAccounts_WithAPlatformRoleHaveAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := directory.NewUser{Email: b.email(t, b.nurse), GivenName: "Olga", FamilyName: "Marin", PlatformRoles: []care.Role{care.Operator}}
	_, err := b.dir.CreateUser(t.Context(), cli, in)
	requireCode(t, err, care.Conflict, "email")
	in.Email = "olga@clinic.example"
	in.PlatformRoles = []care.Role{care.Admin}
	_, err = b.dir.CreateUser(t.Context(), cli, in)
	requireCode(t, err, care.Invalid, "platformRoles")
	in = newUser(b.here, care.Nurse)
	in.PlatformRoles = []care.Role{care.Operator}
	_, err = b.dir.CreateUser(t.Context(), by(b.admin), in)
	requireCode(t, err, care.Invalid, "roles")
}

func TestAccounts_AreDisabledAndEnabledOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, step := range []struct {
		status  string
		changed bool
		event   string
	}{{"disabled", true, "user.disabled"}, {"disabled", false, ""}, {"active", true, "user.updated"}, {"active", false, ""}} {
		n := b.Mark(t)
		changed, err := b.dir.SetAccountStatus(t.Context(), cli, b.nurse.UserID, step.status)
		require.NoError(t, err)
		require.Equal(t, step.changed, changed)
		events := b.EventsSince(t, n)
		if !step.changed {
			require.Empty(t, events)
			continue
		}
		require.Equal(t, []string{step.event}, types(events))
		require.Equal(t, []any{"status"}, events[0].Data["changed"])
		_, err = b.dir.GetActor(t.Context(), b.nurse.UserID)
		require.Equal(t, step.status == "disabled", err != nil)
	}
	_, err := b.dir.SetAccountStatus(t.Context(), cli, b.nurse.UserID, "gone")
	requireCode(t, err, care.Invalid, "status")
	_, err = b.dir.SetAccountStatus(t.Context(), cli, uuid.New(), "disabled")
	requireCode(t, err, care.NotFound)
	_, err = b.dir.SetAccountStatus(t.Context(), by(b.admin), b.nurse.UserID, "disabled")
	requireCode(t, err, care.NotFound)
}

func TestAccounts_AreLinkedToASignInByCommandsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	identity := directory.Identity{Issuer: "https://idp.example", Subject: "sub-1"}
	changed, err := b.dir.LinkSignIn(t.Context(), cli, b.nurse.UserID, identity)
	require.NoError(t, err)
	require.True(t, changed)
	e := b.Last(t)
	require.Equal(t, "user.sign_in_linked", e.Type)
	require.Equal(t, b.nurse.UserID, *e.Person)
	actor, err := b.dir.GetActorByIdentity(t.Context(), identity)
	require.NoError(t, err)
	require.Equal(t, b.nurse.UserID, actor.UserID)

	n := b.Mark(t)
	changed, err = b.dir.LinkSignIn(t.Context(), cli, b.nurse.UserID, identity)
	require.NoError(t, err)
	require.False(t, changed)
	require.Empty(t, b.EventsSince(t, n))
	_, err = b.dir.LinkSignIn(t.Context(), cli, b.doctor.UserID, identity)
	requireCode(t, err, care.Conflict, "subject")
	_, err = b.dir.LinkSignIn(t.Context(), cli, b.nurse.UserID, directory.Identity{Issuer: identity.Issuer, Subject: "sub-2"})
	requireCode(t, err, care.Conflict, "subject")
	_, err = b.dir.LinkSignIn(t.Context(), cli, b.nurse.UserID, directory.Identity{})
	requireCode(t, err, care.Invalid, "issuer", "subject")
	for _, actor := range []care.Actor{b.admin, b.Person(t, care.Operator, nil)} {
		_, err = b.dir.LinkSignIn(t.Context(), by(actor), b.doctor.UserID, directory.Identity{Issuer: identity.Issuer, Subject: "sub-3"})
		requireCode(t, err, care.NotFound)
	}
}

func TestRoles_AreListedWithoutPatients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.dir.GrantMembership(t.Context(), cli, directory.MembershipInput{UserID: b.nurse.UserID, Role: care.Operator}))
	require.NoError(t, b.dir.GrantMembership(t.Context(), cli, directory.MembershipInput{UserID: b.nurse.UserID, ClinicID: &b.here, Role: care.Patient}))
	page, err := b.dir.ListRoles(t.Context(), cli, directory.AccountFilter{UserID: b.nurse.UserID})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.Equal(t, []care.Role{care.Nurse, care.Operator}, []care.Role{page.Items[0].Role, page.Items[1].Role})
	require.Equal(t, []any{b.nurse.ID}, b.Last(t).Data["userIds"])
	first, err := b.dir.ListRoles(t.Context(), cli, directory.AccountFilter{Limit: 3})
	require.NoError(t, err)
	require.Len(t, first.Items, 3)
	second, err := b.dir.ListRoles(t.Context(), cli, directory.AccountFilter{Cursor: first.Next})
	require.NoError(t, err)
	require.Len(t, second.Items, 2)
	require.Empty(t, second.Next)
	_, err = b.dir.ListRoles(t.Context(), cli, directory.AccountFilter{Cursor: uuid.NewString()})
	requireCode(t, err, care.Invalid, "cursor")
	only, err := b.dir.ListRoles(t.Context(), cli, directory.AccountFilter{Role: care.Admin, ClinicID: b.there})
	require.NoError(t, err)
	require.Len(t, only.Items, 1)
	require.Equal(t, b.other.UserID, only.Items[0].UserID)
}
