package appointment_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics. The doctor and the patient are at both, the others at here, but for
// stranger and elsewhere (a receptionist) at there.
type testBundle struct {
	*clinictest.Bundle
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
	clinics := clinictest.New(t, "UTC", "UTC")
	b := &testBundle{
		Bundle: clinics, db: clinics.DB, here: clinics.Here, there: clinics.There,
		start: time.Now().UTC().Truncate(time.Hour).Add(72 * time.Hour),
	}
	b.service = appointment.New(b.Writer, appointment.WithClock(func() time.Time {
		if now := b.clock.Load(); now != nil {
			return *now
		}
		return time.Now()
	}))
	b.patient, b.neighbour = b.Person(t, care.Patient, &b.here, &b.there), b.Person(t, care.Patient, &b.here)
	b.doctor, b.colleague = b.Person(t, care.Doctor, &b.here, &b.there), b.Person(t, care.Doctor, &b.here)
	b.nurse, b.receptionist, b.admin = b.Person(t, care.Nurse, &b.here), b.Person(t, care.Receptionist, &b.here), b.Person(t, care.Admin, &b.here)
	b.auditor, b.operator = b.Person(t, care.Auditor, nil), b.Person(t, care.Operator, nil)
	b.stranger, b.elsewhere = b.Person(t, care.Doctor, &b.there), b.Person(t, care.Receptionist, &b.there)
	return b
}

func by(actor care.Actor) care.Command { return clinictest.By(actor) }

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
	b.Exec(t, `INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by)
		SELECT gen_random_uuid(), 1, clinic_id, user_id, now(), '' FROM memberships WHERE role = 'doctor'`)
	b.Exec(t, `INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
		SELECT clinic_id, doctor_id, weekday, '00:00', '24:00' FROM doctor_hours CROSS JOIN generate_series(1, 7) AS weekday`)
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	clinictest.RequireCode(t, err, code, fields...)
}

// refused returns the error, which must have the code, and these fields if any are given.
func refused(t *testing.T, err error, code care.Code, fields ...string) *care.Error {
	t.Helper()
	return clinictest.RequireError(t, err, code, fields...)
}
