package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a directory with two clinics and their administrators, made as the demo's seed makes them.
type testBundle struct {
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
	db := postgrestest.New(t)
	b := &testBundle{db: db, dir: directory.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler)))), here: uuid.New(), there: uuid.New()}
	for _, id := range []uuid.UUID{b.here, b.there} {
		require.NoError(t, b.dir.CreateClinic(t.Context(), seed, directory.Clinic{ID: id, Name: "Clinic", TimeZone: "Europe/Berlin"}))
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

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func by(actor care.Actor) care.Command { return care.Command{Actor: actor} }

// appended is one row of the outbox.
type appended struct {
	Type, Subject, ActorRole string
	Version                  *int64
	Person, Clinic           *uuid.UUID
	Imported                 bool
	Data                     map[string]any
}

// since gives what was appended after the first n, in order.
func (b *testBundle) since(t *testing.T, n int) []appended {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(), "SELECT type, subject, actor_role, subject_version, person_id, clinic_id, imported, data FROM outbox ORDER BY id OFFSET $1", n)
	require.NoError(t, err)
	defer rows.Close()
	list := []appended{}
	for rows.Next() {
		var a appended
		var data []byte
		require.NoError(t, rows.Scan(&a.Type, &a.Subject, &a.ActorRole, &a.Version, &a.Person, &a.Clinic, &a.Imported, &data))
		require.NoError(t, json.Unmarshal(data, &a.Data))
		list = append(list, a)
	}
	require.NoError(t, rows.Err())
	return list
}

func (b *testBundle) mark(t *testing.T) int {
	t.Helper()
	return len(b.since(t, 0))
}

func types(list []appended) []string {
	names := []string{}
	for _, a := range list {
		names = append(names, a.Type)
	}
	return names
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, care.CodeOf(err), "%v", err)
	if len(fields) == 0 {
		return
	}
	var e *care.Error
	require.ErrorAs(t, err, &e)
	var named []string
	for _, f := range e.Fields {
		named = append(named, f.Field)
	}
	require.Equal(t, fields, named)
}
