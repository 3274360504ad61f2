package directory_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// signsIn returns the account that a new sign-in with this verified address opens.
func (b *testBundle) signsIn(t *testing.T, email string) (care.Actor, error) {
	t.Helper()
	return b.dir.GetActorByIdentity(t.Context(), directory.Identity{Issuer: "https://idp.example", Subject: uuid.NewString(), Email: email, EmailVerified: true})
}

func (b *testBundle) registered(t *testing.T, email string) care.Actor {
	t.Helper()
	in := newUser(b.here, care.Admin)
	in.Email = email
	u, err := b.dir.CreateUser(t.Context(), seed, in)
	require.NoError(t, err)
	return b.actor(t, u.ID)
}

func TestGetActorByIdentity_FoldsOnlyASCII(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mike, kate := b.registered(t, "mike@b.example"), b.registered(t, "kate@b.example")
	for _, email := range []string{"m\u0130ke@b.example", "\u212aate@b.example", "ka\u017fte@b.example", "\uff4dike@b.example", "mi\u200bke@b.example", `"mike"@b.example`} {
		_, err := b.signsIn(t, email)
		requireCode(t, err, care.Unauthenticated)
		require.Contains(t, err.Error(), "which must", "%q: the error has the reason", email)
	}
	for email, want := range map[string]care.Actor{"MIKE@B.example": mike, "Kate@b.EXAMPLE": kate} {
		a, err := b.signsIn(t, email)
		require.NoError(t, err, email)
		require.Equal(t, want.UserID, a.UserID)
	}
}

func TestGetActorByIdentity_FindsADomainInBothSpellings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ada := b.registered(t, "ada@M\u00fcller.example")
	require.Equal(t, "ada@xn--mller-kva.example", b.email(t, ada))
	a, err := b.signsIn(t, "Ada@m\u00fcller.example")
	require.NoError(t, err)
	require.Equal(t, ada.UserID, a.UserID)
	in := newUser(b.here, care.Patient)
	in.Email = "ada@xn--mller-kva.example"
	_, err = b.dir.CreateUser(t.Context(), by(b.admin), in)
	requireCode(t, err, care.Conflict, "email")
}

func TestUpdateUser_KeepsAddressesOfOlderRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for stored, spelled := range map[string]string{"j\u00fcrgen@x.example": "j\u00fcrgen@x.example", "ada@m\u00fcller.example": "ada@xn--mller-kva.example"} {
		old := b.person(t, b.here, care.Patient)
		b.Exec(t, "UPDATE users SET email = $2, given_name = ' Ada ' WHERE id = $1", old.UserID, stored)
		a, err := b.signsIn(t, spelled)
		require.NoError(t, err)
		require.Equal(t, old.UserID, a.UserID)

		u, err := b.dir.GetUser(t.Context(), by(b.admin), old.UserID)
		require.NoError(t, err)
		in := input(u)
		in.Email, in.Phone = spelled, nil
		u, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, u.Version, in)
		require.NoError(t, err, "what does not change is not checked")
		require.Equal(t, stored, u.Email)
		in.GivenName = " Eve "
		_, err = b.dir.UpdateUser(t.Context(), by(b.admin), u.ID, u.Version, in)
		requireCode(t, err, care.Invalid, "givenName")
	}
	a, err := b.signsIn(t, "J\u00fcrgen@x.example")
	requireCode(t, err, care.Unauthenticated)
	require.Zero(t, a.UserID, "an address of older rules is compared exactly")
}

func TestCreateUser_RejectsIllegibleAddressesAndNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, email := range []string{"m\u0130ke@b.example", "=?utf-8?q?mike?=@b.example", "mike@[127.0.0.1]", ".mike@b.example", "mike\u202e@b.example", strings.Repeat("a", 65) + "@b.example"} {
		in := newUser(b.here, care.Patient)
		in.Email = email
		_, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
		requireCode(t, err, care.Invalid, "email")
		_, err = b.dir.CreateInvitation(t.Context(), by(b.admin), b.here, directory.NewInvitation{Email: email, Roles: []care.Role{care.Patient}})
		requireCode(t, err, care.Invalid, "email")
		_, err = b.dir.UpdateUser(t.Context(), by(b.admin), b.patient.UserID, 1, func() directory.UserInput {
			u, err := b.dir.GetUser(t.Context(), by(b.admin), b.patient.UserID)
			require.NoError(t, err)
			changed := input(u)
			changed.Email = email
			return changed
		}())
		requireCode(t, err, care.Invalid, "email")
	}
	in := newUser(b.here, care.Patient)
	in.GivenName, in.FamilyName = "\u00a0", "Murga\r\ntroyd"
	_, err := b.dir.CreateUser(t.Context(), by(b.admin), in)
	requireCode(t, err, care.Invalid, "givenName", "familyName")
}
