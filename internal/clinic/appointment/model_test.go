package appointment_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

const (
	modelSlots = 8 // The half hours of the doctor's day.
	modelSteps = 12
)

// modelled is the expected state of one appointment.
type modelled struct {
	id      uuid.UUID
	patient int
	slot    int
	status  appointment.Status
	before  appointment.Status
	version int64
}

// model is the expected state of a doctor's day, next to the service.
type model struct {
	b        *testBundle
	doctor   care.Actor
	patients [2]care.Actor
	all      []modelled
}

func holds(status appointment.Status) bool {
	return status == appointment.Booked || status == appointment.Confirmed || status == appointment.CheckedIn
}

// taken reports whether an appointment other than except holds the slot; -1 excludes none. All have
// the same doctor.
func (m *model) taken(slot, except int) bool {
	for i, a := range m.all {
		if i != except && a.slot == slot && holds(a.status) {
			return true
		}
	}
	return false
}

// asked counts the patient's open requests other than except, and reports whether one is for the
// slot.
func (m *model) asked(patient, slot, except int) (open int, same bool) {
	for i, a := range m.all {
		if i != except && a.patient == patient && a.status == appointment.Requested {
			open, same = open+1, same || a.slot == slot
		}
	}
	return open, same
}

// step does one operation on the service and the model, and returns its description.
func (m *model) step(ctx context.Context, t *rapid.T) string {
	slot := rapid.IntRange(0, modelSlots-1).Draw(t, "slot")
	kind := rapid.SampledFrom([]string{"book", "ask", "move", "move", "move", "move"}).Draw(t, "kind")
	if kind != "move" || len(m.all) == 0 {
		return m.create(ctx, t, slot, kind == "ask")
	}
	i := rapid.IntRange(0, len(m.all)-1).Draw(t, "which")
	move := rapid.SampledFrom([]appointment.Transition{
		appointment.Book, appointment.Confirm, appointment.Reschedule, appointment.CheckIn, appointment.Complete, appointment.Cancel, appointment.Miss,
		appointment.Reverse,
	}).Draw(t, "move")
	stale := rapid.IntRange(0, 9).Draw(t, "stale") == 0
	return m.move(ctx, t, i, move, slot, stale)
}

func (m *model) create(ctx context.Context, t *rapid.T, slot int, ask bool) string {
	patient := rapid.IntRange(0, 1).Draw(t, "patient")
	actor, status := m.b.receptionist, appointment.Booked
	if ask {
		actor, status = m.patients[patient], appointment.Requested
	}
	got, err := m.b.service.Create(ctx, by(actor), appointment.Input{
		PatientID: m.patients[patient].UserID, ClinicID: m.b.here, DoctorID: m.doctor.UserID, Slot: m.b.slot(slot),
	})
	name := fmt.Sprintf("%s for %d at %d", status, patient, slot)
	open, same := m.asked(patient, slot, -1)
	if m.taken(slot, -1) || (ask && (same || open >= 10)) { // A request too needs a free time.
		require.Equal(t, care.Conflict, care.CodeOf(err), name)
		return name
	}
	require.NoError(t, err, name)
	m.all = append(m.all, modelled{got.ID, patient, slot, status, "", 1})
	return name
}

func (m *model) move(ctx context.Context, t *rapid.T, i int, move appointment.Transition, slot int, stale bool) string {
	a, ifMatch := &m.all[i], m.all[i].version
	name := fmt.Sprintf("%s of %d, which is %s at %d, to %d, stale %v", move, i, a.status, a.slot, slot, stale)
	if stale {
		ifMatch += 3
	}
	if move != appointment.Reschedule {
		slot = a.slot
	}
	err := m.do(ctx, a.id, ifMatch, move, slot)
	to, allowed := leads[move][a.status]
	if move == appointment.Reverse && a.status != appointment.Completed {
		to = a.before
	}
	_, same := m.asked(a.patient, slot, i)
	takes := move == appointment.Reschedule || move == appointment.Book || move == appointment.Reverse || a.status == appointment.NoShow
	switch {
	case stale:
		require.Equal(t, care.PreconditionFailed, care.CodeOf(err), name)
	case allowed && move == appointment.Reschedule && slot == a.slot:
		require.NoError(t, err, name)
	case !allowed, takes && m.taken(slot, i), takes && to == appointment.Requested && same:
		require.Equal(t, care.Conflict, care.CodeOf(err), name)
	default:
		require.NoError(t, err, name)
		if to != a.status {
			a.before = a.status
		}
		a.status, a.slot, a.version = to, slot, a.version+1
	}
	return name
}

// do does the transition at a time that allows it.
func (m *model) do(ctx context.Context, id uuid.UUID, ifMatch int64, move appointment.Transition, slot int) (err error) {
	actor := by(m.b.receptionist)
	now := time.Now()
	if begins(move) {
		now = m.b.slot(slot).StartsAt
	}
	m.b.atTime(now, func() {
		switch move {
		case appointment.Reschedule:
			_, err = m.b.service.Reschedule(ctx, actor, id, ifMatch, appointment.NewTime{Slot: m.b.slot(slot)})
		case appointment.Reverse:
			_, err = m.b.service.Reverse(ctx, actor, id, ifMatch, appointment.Reversal{Reason: "A slip."})
		default:
			_, err = m.b.service.Transition(ctx, actor, id, ifMatch, move)
		}
	})
	return err
}

// compare compares the day that the service returns with the model.
func (m *model) compare(ctx context.Context, t *rapid.T, after string) {
	page, err := m.b.service.List(ctx, by(m.b.receptionist), appointment.Filter{DoctorID: m.doctor.UserID})
	require.NoError(t, err)
	got := map[uuid.UUID]modelled{}
	for _, a := range page.Items {
		patient := 0
		if a.PatientID == m.patients[1].UserID {
			patient = 1
		}
		got[a.ID] = modelled{a.ID, patient, int(a.StartsAt.Sub(m.b.start).Minutes()) / 30, a.Status, "", a.Version}
	}
	want := map[uuid.UUID]modelled{}
	for _, a := range m.all {
		a.before = "" // The service does not return it.
		want[a.id] = a
	}
	require.Equal(t, want, got, after)
	day := m.b.day()
	day.DoctorID = m.doctor.UserID
	found, err := m.b.service.GetAvailability(ctx, by(m.patients[0]), day)
	require.NoError(t, err)
	free := []string{}
	for slot := range modelSlots {
		if !m.taken(slot, -1) {
			free = append(free, m.b.slot(slot).StartsAt.Format("15:04"))
		}
	}
	require.Equal(t, free, starts(found.Free), after)
}

func TestAppointments_BehaveLikeAModel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opened(t)
	rapid.Check(t, func(rt *rapid.T) {
		// Other people each time: their day is empty.
		m := &model{b: b, doctor: b.person(t, care.Doctor, &b.here), patients: [2]care.Actor{b.person(t, care.Patient, &b.here), b.person(t, care.Patient, &b.here)}}
		_, err := b.service.UpdateHours(t.Context(), by(b.admin), b.here, m.doctor.UserID, 0, everyDay("08:00", "12:00"))
		require.NoError(rt, err)
		for range rapid.IntRange(1, modelSteps).Draw(rt, "steps") {
			m.compare(t.Context(), rt, m.step(t.Context(), rt))
		}
	})
}
