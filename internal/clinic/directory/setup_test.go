package directory_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/clinic/directory"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a directory with two clinics and their administrators, created as the demo's seed
// creates them.
type testBundle struct {
	*clinictest.Bundle
	db            *postgrestest.DB
	dir           *directory.Service
	here, there   uuid.UUID
	admin, other  care.Actor // Administrators of here and of there.
	doctor, nurse care.Actor
	patient       care.Actor
}

var seed = care.Command{Actor: care.SystemActor("seed"), Imported: true}

func setup(t *testing.T) *testBundle {
	t.Helper()
	clinics := clinictest.NewEmpty(t)
	b := &testBundle{Bundle: clinics, db: clinics.DB, dir: directory.New(clinics.Writer), here: clinics.Here, there: clinics.There}
	for _, id := range []uuid.UUID{b.here, b.there} {
		_, err := b.dir.CreateClinic(t.Context(), seed, directory.NewClinic{ID: id, ClinicInput: directory.ClinicInput{Name: "Clinic", TimeZone: "Europe/Berlin"}})
		require.NoError(t, err)
	}
	b.admin, b.other = b.person(t, b.here, care.Admin), b.person(t, b.there, care.Admin)
	b.doctor, b.nurse = b.person(t, b.here, care.Doctor), b.person(t, b.here, care.Nurse)
	b.patient = b.person(t, b.here, care.Patient)
	return b
}

func newUser(clinic uuid.UUID, roles ...care.Role) directory.NewUser {
	return directory.NewUser{
		Email: uuid.NewString() + "@Clinic.example", GivenName: "Wilhelmina", FamilyName: "Murgatroyd", Phone: new(fmt.Sprintf("+4930123%06d", rand.IntN(1_000_000))),
		Locale: "de-CH", TimeZone: "Europe/Zurich", ClinicID: clinic, Roles: roles,
	}
}

func (b *testBundle) person(t *testing.T, clinic uuid.UUID, roles ...care.Role) care.Actor {
	t.Helper()
	u, err := b.dir.CreateUser(t.Context(), seed, newUser(clinic, roles...))
	require.NoError(t, err)
	return b.actor(t, u.ID)
}

func (b *testBundle) actor(t *testing.T, id uuid.UUID) care.Actor {
	t.Helper()
	a, err := b.dir.GetActor(t.Context(), id)
	require.NoError(t, err)
	return a
}

func (b *testBundle) email(t *testing.T, actor care.Actor) string {
	t.Helper()
	me, err := b.dir.GetSelf(t.Context(), actor)
	require.NoError(t, err)
	return me.Email
}

func by(actor care.Actor) care.Command { return care.Command{Actor: actor} }

func types(list []clinictest.Event) []string { return clinictest.Types(list) }

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	clinictest.RequireCode(t, err, code, fields...)
}
