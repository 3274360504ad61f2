// Package clinictest is the test bundle of the clinic's services: a database with two clinics,
// people in them, and access to the events that a service appended.
package clinictest

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

// Bundle is a migrated database and the writer of a service on it.
type Bundle struct {
	DB     *postgrestest.DB
	Writer *outbox.Writer
	// Here and There are the ids of the clinics that New creates.
	Here, There uuid.UUID
}

// New returns a bundle with two clinics in the time zones.
func New(t *testing.T, here, there string) *Bundle {
	t.Helper()
	b := NewEmpty(t)
	b.Exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', $2), ($3, 'Clinic', $4)", b.Here, here, b.There, there)
	return b
}

// NewEmpty returns a bundle without clinics in its database.
func NewEmpty(t *testing.T) *Bundle {
	t.Helper()
	db := postgrestest.New(t)
	return &Bundle{
		DB: db, Writer: outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler))),
		Here: uuid.New(), There: uuid.New(),
	}
}

// Exec executes a statement as the owner of the database.
func (b *Bundle) Exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.DB.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// Count returns the number of rows in the table.
func (b *Bundle) Count(t *testing.T, table string) int {
	t.Helper()
	var n int
	require.NoError(t, b.DB.Owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// Person inserts a person with the role at each clinic; nil is the platform.
func (b *Bundle) Person(t *testing.T, role care.Role, clinics ...*uuid.UUID) care.Actor {
	t.Helper()
	return b.PersonWithID(t, uuid.New(), role, clinics...)
}

// PersonWithID is Person with a chosen id.
func (b *Bundle) PersonWithID(t *testing.T, id uuid.UUID, role care.Role, clinics ...*uuid.UUID) care.Actor {
	t.Helper()
	b.Exec(t, "INSERT INTO users (id, email, given_name, family_name, phone) VALUES ($1, $2, 'Wilhelmina', 'Murgatroyd', '+15550100')",
		id, id.String()+"@murgatroyd.example")
	a := care.Actor{ID: id.String(), UserID: id}
	for _, clinic := range clinics {
		b.Exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), id, clinic, role)
		a.Memberships = append(a.Memberships, care.Membership{ClinicID: clinic, Role: role})
	}
	return a
}

// CareTeam adds the members to the patient's care team at the clinic.
func (b *Bundle) CareTeam(t *testing.T, patient care.Actor, clinic uuid.UUID, members ...care.Actor) {
	t.Helper()
	for _, m := range members {
		b.Exec(t, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)", patient.UserID, clinic, m.UserID)
	}
}

// Event is one row of the outbox.
type Event struct {
	Type, Subject, ActorID, ActorRole string
	Version                           *int64
	Person, Clinic, ID, Cause         *uuid.UUID
	Imported                          bool
	Data                              map[string]any
}

// Events returns all appended events in order.
func (b *Bundle) Events(t *testing.T) []Event {
	t.Helper()
	return b.EventsSince(t, 0)
}

// EventsSince returns the events that follow the first n, in order.
func (b *Bundle) EventsSince(t *testing.T, n int) []Event {
	t.Helper()
	rows, err := b.DB.Owner.Query(t.Context(), `SELECT type, subject, actor_id, actor_role, subject_version, person_id, clinic_id, event_id,
		cause_id, imported, data FROM outbox ORDER BY id OFFSET $1`, n)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var e Event
		var data []byte
		err := row.Scan(&e.Type, &e.Subject, &e.ActorID, &e.ActorRole, &e.Version, &e.Person, &e.Clinic, &e.ID, &e.Cause, &e.Imported, &data)
		if err != nil {
			return Event{}, err
		}
		return e, json.Unmarshal(data, &e.Data)
	})
	require.NoError(t, err)
	return list
}

// Writes returns all appended events in order, except record.read.
func (b *Bundle) Writes(t *testing.T) []Event {
	t.Helper()
	list := []Event{}
	for _, e := range b.Events(t) {
		if e.Type != "record.read" {
			list = append(list, e)
		}
	}
	return list
}

// Last returns the event that was appended last.
func (b *Bundle) Last(t *testing.T) Event {
	t.Helper()
	list := b.Events(t)
	require.NotEmpty(t, list)
	return list[len(list)-1]
}

// Mark returns the number of appended events, for EventsSince.
func (b *Bundle) Mark(t *testing.T) int {
	t.Helper()
	return b.Count(t, "outbox")
}

// RequireContiguous asserts that the events about the subject made the versions 1, 2, 3 and so on,
// up to the current one.
func (b *Bundle) RequireContiguous(t *testing.T, subject string, current int64) {
	t.Helper()
	var versions []int64
	for _, e := range b.Writes(t) {
		if e.Subject == subject && e.Version != nil {
			versions = append(versions, *e.Version)
		}
	}
	for i, v := range versions {
		require.Equal(t, int64(i)+1, v, "%v", versions)
	}
	require.Len(t, versions, int(current))
}

// Types returns the types of the events.
func Types(events []Event) []string {
	names := []string{}
	for _, e := range events {
		names = append(names, e.Type)
	}
	return names
}

// By returns a command of the actor.
func By(actor care.Actor) care.Command {
	return care.Command{Actor: actor, CorrelationID: "req-1"}
}

// RequireCode asserts that err is a care.Error of the code. If fields are given, they must be
// exactly the fields of the error.
func RequireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	_ = RequireError(t, err, code, fields...)
}

// RequireError is RequireCode and returns the error.
func RequireError(t *testing.T, err error, code care.Code, fields ...string) *care.Error {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, care.CodeOf(err), "%v", err)
	var e *care.Error
	require.ErrorAs(t, err, &e)
	var named []string
	for _, f := range e.Fields {
		named = append(named, f.Field)
	}
	if len(fields) > 0 {
		require.Equal(t, fields, named)
	}
	return e
}
