package modeltest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
)

// visit is an appointment in one of the slots.
type visit struct {
	id              string
	patient, doctor *person
	slot            int
	status, before  string
	version         int64
}

func (v *visit) subject() string { return "appointment/" + v.id }

func (v *visit) GoString() string {
	return fmt.Sprintf("%s in version %d, %s in slot %d", v.subject(), v.version, v.status, v.slot)
}

// holding are the statuses in which an appointment occupies its slot.
var holding = []string{"booked", "confirmed", "checked_in"}

// transition is an action on an appointment and its resulting status.
type transition struct {
	path, event string
	action      care.Action
	to          map[string]string
}

func (m transition) GoString() string { return m.path }

var transitions = []transition{
	{"book", "booked", care.AppointmentBook, map[string]string{"requested": "booked"}},
	{"confirm", "confirmed", care.AppointmentConfirm, map[string]string{"booked": "confirmed"}},
	{"check-in", "checked_in", care.AppointmentCheckIn, map[string]string{"booked": "checked_in", "confirmed": "checked_in", "no_show": "checked_in"}},
	{"complete", "completed", care.AppointmentComplete, map[string]string{"checked_in": "completed"}},
	{"cancel", "cancelled", care.AppointmentCancel, map[string]string{"requested": "cancelled", "booked": "cancelled", "confirmed": "cancelled"}},
	{"no-show", "no_show", care.AppointmentNoShow, map[string]string{"booked": "no_show", "confirmed": "no_show"}},
	{"reverse", "reversed", care.AppointmentReverse, map[string]string{"completed": "checked_in", "cancelled": "before", "no_show": "before"}},
}

// begun are the transitions that require that the appointment has begun; all slots are days ahead.
var begun = []string{"check-in", "complete", "no-show"}

var (
	rescheduling = transition{"reschedule", "rescheduled", care.AppointmentReschedule, map[string]string{"requested": "requested", "booked": "booked", "confirmed": "booked"}}
	reassigning  = transition{"reassign", "reassigned", care.AppointmentReassign, map[string]string{"requested": "requested", "booked": "booked", "confirmed": "booked"}}
)

// maxRequests is how many open requests a patient may have.
const maxRequests = 10

// slot draws one of a few slots, so that some are occupied.
func slot(t *rapid.T) int { return rapid.IntRange(0, 5).Draw(t, "slot") }

func (w *world) times(n int) map[string]any {
	at := w.monday.Add(time.Duration(n) * 30 * time.Minute)
	return map[string]any{"startsAt": at.Format(time.RFC3339), "endsAt": at.Add(30 * time.Minute).Format(time.RFC3339)}
}

// taken reports whether the doctor or the patient has another appointment in the slot.
func (w *world) taken(v *visit, n int) bool {
	return slices.ContainsFunc(w.appointments, func(other *visit) bool {
		return other != v && other.slot == n && slices.Contains(holding, other.status) && (other.doctor == v.doctor || other.patient == v.patient)
	})
}

// asked counts the patient's other open requests, and reports whether one is for the same doctor
// and slot.
func (w *world) asked(v *visit, n int) (open int, same bool) {
	for _, other := range w.appointments {
		if other != v && other.patient == v.patient && other.status == "requested" {
			open, same = open+1, same || (other.doctor == v.doctor && other.slot == n)
		}
	}
	return open, same
}

// hours sets the doctor's hours to whole days, so that a patient may request each slot.
func (w *world) hours(t *rapid.T, doctor *person) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by) VALUES (gen_random_uuid(), 1, $1, $2, now(), '') ON CONFLICT DO NOTHING`,
		`INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
			SELECT $1, $2, weekday, '00:00', '24:00' FROM generate_series(1, 7) AS weekday ON CONFLICT DO NOTHING`,
	} {
		_, err := w.db.Owner.Exec(context.Background(), sql, w.clinic, doctor.id)
		require.NoError(t, err)
	}
}

// leftBehind returns the events of the open appointments of a person who loses a role.
func (w *world) leftBehind(p *person, role care.Role) (events []told) {
	var behind []*visit
	for _, v := range w.appointments {
		theirs := (role == care.Doctor && v.doctor == p) || (role == care.Patient && v.patient == p)
		if theirs && slices.Contains([]string{"requested", "booked", "confirmed"}, v.status) {
			behind = append(behind, v)
		}
	}
	slices.SortFunc(behind, func(a, b *visit) int { return cmp.Or(cmp.Compare(a.slot, b.slot), strings.Compare(a.id, b.id)) })
	for _, v := range behind {
		events = append(events, told{typ: "appointment.needs_attention", subject: v.subject()})
	}
	return events
}

func (w *world) mayVisit(p *person, action care.Action, v *visit) bool {
	return (p == v.patient && care.Allowed(action, care.Patient, care.Own)) || w.may(p, action, care.SameClinic)
}

func (w *world) makeAppointment(t *rapid.T) {
	who := w.somebody(t, care.Receptionist)
	v := &visit{patient: w.named(t, care.Patient), doctor: w.named(t, care.Doctor), slot: slot(t), status: "booked", version: 1}
	if rapid.Bool().Draw(t, "for oneself") {
		who = v.patient
	}
	if v.patient == v.doctor {
		t.Skip("nobody is their own doctor")
	}
	w.hours(t, v.doctor)
	body := w.times(v.slot)
	body["patientId"], body["doctorId"], body["clinicId"] = v.patient.id, v.doctor.id, w.clinic
	a := w.as(t, who, "POST", "/api/appointments", 0, body)
	if !w.may(who, care.AppointmentBook, care.SameClinic) {
		v.status = "requested"
	}
	open, same := w.asked(v, v.slot)
	switch {
	case v.status == "requested" && who != v.patient:
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case !w.is(v.patient, care.Patient) || !w.is(v.doctor, care.Doctor):
		w.refused(t, a, 422, "")
	case w.taken(v, v.slot), v.status == "requested" && (same || open >= maxRequests):
		w.refused(t, a, 409, "")
	default:
		v.id = a.text("id")
		w.appointments = append(w.appointments, v)
		w.expectVisit(t, a, 201, v, v.status)
	}
}

func (w *world) expectVisit(t *rapid.T, a answer, status int, v *visit, event string) {
	t.Helper()
	w.expectVersion(t, a, status, v.version, told{typ: "appointment." + event, subject: v.subject(), version: v.version})
	require.Equal(t, v.status, a.text("status"))
	starts, err := time.Parse(time.RFC3339, a.text("startsAt"))
	require.NoError(t, err)
	require.True(t, starts.Equal(w.monday.Add(time.Duration(v.slot)*30*time.Minute)))
}

// moved compares the response to any transition; n is the slot of the appointment afterwards.
func (w *world) moved(t *rapid.T, v *visit, who *person, move transition, named int64, a answer, n int) {
	t.Helper()
	to, possible := move.to[v.status]
	if to == "before" {
		to = v.before
	}
	if !w.mayVisit(who, move.action, v) {
		status := 404
		if w.mayVisit(who, care.AppointmentRead, v) {
			status = 403
		}
		w.refused(t, a, status, v.subject())
		return
	}
	takes := slices.Contains([]string{"book", "reschedule", "reassign", "reverse"}, move.path) || v.status == "no_show"
	present := takes || move.path == "confirm" || move.path == "check-in"
	_, same := w.asked(v, n)
	switch {
	case named != v.version:
		w.refused(t, a, 412, "")
		require.Equal(t, v.version, a.version)
	case possible && move.path == "reschedule" && n == v.slot:
		w.expect(t, a, 200)
		require.Equal(t, v.version, a.version)
	case !possible, present && (!w.is(v.patient, care.Patient) || !w.is(v.doctor, care.Doctor)),
		takes && (w.taken(v, n) || (to == "requested" && same)):
		w.refused(t, a, 409, "")
	default:
		if v.status != to {
			v.before = v.status
		}
		v.status, v.slot = to, n
		v.version++
		w.expectVisit(t, a, 200, v, move.event)
	}
}

func (w *world) moveAppointment(t *rapid.T) {
	v := one(t, w.appointments, "appointment")
	moves := slices.DeleteFunc(slices.Clone(transitions), func(m transition) bool { return m.to[v.status] == "" })
	if len(moves) == 0 || rarely(t, 3, "any transition") {
		moves = transitions
	}
	move, named := rapid.SampledFrom(moves).Draw(t, "transition"), ifMatch(t, v.version)
	who := w.draw(t, "actor", func(p *person) bool { return w.mayVisit(p, move.action, v) })
	var body any
	if move.path == "reverse" {
		body = map[string]any{"reason": "A slip."}
	}
	if slices.Contains(begun, move.path) {
		starts := w.monday.Add(time.Duration(v.slot) * 30 * time.Minute)
		w.clock.Store(&starts)
		defer w.clock.Store(nil)
	}
	w.moved(t, v, who, move, named, w.as(t, who, "POST", "/api/appointments/"+v.id+"/"+move.path, named, body), v.slot)
}

func (w *world) rescheduleAppointment(t *rapid.T) {
	v, who := one(t, w.appointments, "appointment"), w.somebody(t, care.Receptionist, care.Nurse)
	n, named := slot(t), ifMatch(t, v.version)
	w.hours(t, v.doctor)
	w.moved(t, v, who, rescheduling, named, w.as(t, who, "POST", "/api/appointments/"+v.id+"/reschedule", named, w.times(n)), n)
}

func (w *world) reassignAppointment(t *rapid.T) {
	v, who, to := one(t, w.appointments, "appointment"), w.somebody(t, care.Receptionist, care.Nurse), w.named(t, care.Doctor)
	named := ifMatch(t, v.version)
	w.hours(t, to)
	a := w.as(t, who, "POST", "/api/appointments/"+v.id+"/reassign", named, map[string]any{"doctorId": to.id})
	_, possible := reassigning.to[v.status]
	if w.mayVisit(who, care.AppointmentReassign, v) && named == v.version && possible && (to == v.doctor || to == v.patient || !w.is(to, care.Doctor)) {
		w.refused(t, a, 422, "")
		return
	}
	was := v.doctor
	v.doctor = to
	w.moved(t, v, who, reassigning, named, a, v.slot)
	if a.status != 200 {
		v.doctor = was
	}
}

func (w *world) readAppointment(t *rapid.T) {
	v, who := one(t, w.appointments, "appointment"), w.somebody(t, care.Receptionist, care.Patient)
	a := w.as(t, who, "GET", "/api/appointments/"+v.id, 0, nil)
	if !w.mayVisit(who, care.AppointmentRead, v) {
		w.refused(t, a, 404, v.subject())
		return
	}
	w.expectVersion(t, a, 200, v.version, told{typ: "record.read", subject: v.subject()})
	require.Equal(t, v.status, a.text("status"))
}
