package appointment_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics. The doctor and the patient are at both, the others at here, but for
// stranger and elsewhere (a receptionist) at there.
type testBundle struct {
	db          *postgrestest.DB
	service     *appointment.Service
	here, there uuid.UUID
	// start is a full hour in some days.
	start time.Time
	// clock is what the service takes the time from; nil is the machine's.
	clock atomic.Pointer[time.Time]

	patient, neighbour, doctor, colleague, nurse, receptionist, admin, auditor, operator, stranger, elsewhere care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db := postgrestest.New(t)
	writer := outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler)))
	b := &testBundle{db: db, here: uuid.New(), there: uuid.New(), start: time.Now().UTC().Truncate(time.Hour).Add(72 * time.Hour)}
	b.service = appointment.New(writer, appointment.WithClock(func() time.Time {
		if now := b.clock.Load(); now != nil {
			return *now
		}
		return time.Now()
	}))
	for _, id := range []uuid.UUID{b.here, b.there} {
		b.exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')", id)
	}
	b.patient, b.neighbour = b.person(t, care.Patient, &b.here, &b.there), b.person(t, care.Patient, &b.here)
	b.doctor, b.colleague = b.person(t, care.Doctor, &b.here, &b.there), b.person(t, care.Doctor, &b.here)
	b.nurse, b.receptionist, b.admin = b.person(t, care.Nurse, &b.here), b.person(t, care.Receptionist, &b.here), b.person(t, care.Admin, &b.here)
	b.auditor, b.operator = b.person(t, care.Auditor, nil), b.person(t, care.Operator, nil)
	b.stranger, b.elsewhere = b.person(t, care.Doctor, &b.there), b.person(t, care.Receptionist, &b.there)
	return b
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *testBundle) person(t *testing.T, role care.Role, clinics ...*uuid.UUID) care.Actor {
	t.Helper()
	return b.personWith(t, uuid.New(), role, clinics...)
}

func (b *testBundle) personWith(t *testing.T, id uuid.UUID, role care.Role, clinics ...*uuid.UUID) care.Actor {
	t.Helper()
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'Wilhelmina', 'Murgatroyd')", id, id.String()+"@murgatroyd.example")
	a := care.Actor{ID: id.String(), UserID: id}
	for _, clinic := range clinics {
		b.exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), id, clinic, role)
		a.Memberships = append(a.Memberships, care.Membership{ClinicID: clinic, Role: role})
	}
	return a
}

func by(actor care.Actor) care.Command {
	return care.Command{Actor: actor, CorrelationID: "req-1"}
}

// slot is half an hour, the n-th from b.start.
func (b *testBundle) slot(n int) appointment.Slot {
	at := b.start.Add(time.Duration(n) * 30 * time.Minute)
	return appointment.Slot{StartsAt: at, EndsAt: at.Add(30 * time.Minute)}
}

// input is of the patient with the doctor, here.
func (b *testBundle) input(n int) appointment.Input {
	return appointment.Input{PatientID: b.patient.UserID, ClinicID: b.here, DoctorID: b.doctor.UserID, Slot: b.slot(n)}
}

func (b *testBundle) create(t *testing.T, actor care.Actor, in appointment.Input) appointment.Appointment {
	t.Helper()
	a, err := b.service.Create(t.Context(), by(actor), in)
	require.NoError(t, err)
	return a
}

// at is an appointment that was brought to the status.
func (b *testBundle) at(t *testing.T, status appointment.Status, n int) appointment.Appointment {
	t.Helper()
	if status == appointment.Requested {
		return b.create(t, b.patient, b.input(n))
	}
	a := b.create(t, b.receptionist, b.input(n))
	for _, move := range map[appointment.Status][]appointment.Transition{
		appointment.Confirmed: {appointment.Confirm},
		appointment.CheckedIn: {appointment.CheckIn},
		appointment.Completed: {appointment.CheckIn, appointment.Complete},
		appointment.Cancelled: {appointment.Cancel},
		appointment.NoShow:    {appointment.Miss},
	}[status] {
		var err error
		a, err = b.move(t, b.receptionist, a, move, n)
		require.NoError(t, err)
	}
	require.Equal(t, status, a.Status)
	return a
}

// atTime runs do while it is that time for the service.
func (b *testBundle) atTime(now time.Time, do func()) {
	defer b.clock.Store(b.clock.Swap(&now))
	do()
}

// always sets the doctors' hours at both clinics to whole days, so that patients may ask for any time.
func (b *testBundle) always(t *testing.T) {
	t.Helper()
	b.exec(t, `INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by)
		SELECT gen_random_uuid(), 1, clinic_id, user_id, now(), '' FROM memberships WHERE role = 'doctor'`)
	b.exec(t, `INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
		SELECT clinic_id, doctor_id, weekday, '00:00', '24:00' FROM doctor_hours CROSS JOIN generate_series(1, 7) AS weekday`)
}

// appended is one row of the outbox.
type appended struct {
	Type, Subject, ActorID, ActorRole string
	Version                           *int64
	Person, Clinic                    *uuid.UUID
	Imported                          bool
	Data                              map[string]any
}

// outbox gives all that was appended, in order.
func (b *testBundle) outbox(t *testing.T) []appended {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(), "SELECT type, subject, actor_id, actor_role, subject_version, person_id, clinic_id, imported, data FROM outbox ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	list := []appended{}
	for rows.Next() {
		var a appended
		var data []byte
		require.NoError(t, rows.Scan(&a.Type, &a.Subject, &a.ActorID, &a.ActorRole, &a.Version, &a.Person, &a.Clinic, &a.Imported, &data))
		require.NoError(t, json.Unmarshal(data, &a.Data))
		list = append(list, a)
	}
	require.NoError(t, rows.Err())
	return list
}

func (b *testBundle) last(t *testing.T) appended {
	t.Helper()
	list := b.outbox(t)
	require.NotEmpty(t, list)
	return list[len(list)-1]
}

func (b *testBundle) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	_ = refused(t, err, code, fields...)
}

// refused gives the refusal, which must have the code, and name these fields if any are given.
func refused(t *testing.T, err error, code care.Code, fields ...string) *care.Error {
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
