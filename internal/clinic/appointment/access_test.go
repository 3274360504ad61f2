package appointment_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

func TestCreate_IsForTheClinicAndForPatientsThemselves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	n := 0
	for _, actor := range []care.Actor{b.receptionist, b.doctor, b.colleague, b.nurse, b.admin} {
		n++
		require.Equal(t, appointment.Booked, b.create(t, actor, b.input(n)).Status)
	}
	require.Equal(t, appointment.Requested, b.create(t, b.patient, b.input(n+1)).Status)
	for name, actor := range map[string]care.Actor{"neighbour": b.neighbour, "stranger": b.stranger, "elsewhere": b.elsewhere, "auditor": b.auditor, "operator": b.operator} {
		before := b.count(t, "outbox")
		_, err := b.service.Create(t.Context(), by(actor), b.input(n+2))
		requireCode(t, err, care.Forbidden)
		require.Equal(t, before+1, b.count(t, "outbox"), name)
		require.Equal(t, "access.denied", b.last(t).Type)
		require.Equal(t, "clinic/"+b.here.String(), b.last(t).Subject)
		require.Equal(t, "appointment.book", b.last(t).Data["action"])
	}
	// A patient may request appointments only at their own clinics.
	in := b.input(n + 2)
	in.PatientID, in.ClinicID, in.DoctorID = b.neighbour.UserID, b.there, b.stranger.UserID
	_, err := b.service.Create(t.Context(), by(b.neighbour), in)
	requireCode(t, err, care.Invalid, "patientId", "doctorId") // Nor may they learn who works there.
}

func TestGet_IsForTheClinicAndThePatientAndHiddenFromOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	for _, actor := range []care.Actor{b.patient, b.receptionist, b.doctor, b.colleague, b.nurse, b.admin} {
		got, err := b.service.Get(t.Context(), by(actor), a.ID)
		require.NoError(t, err)
		require.Equal(t, a, got)
		e := b.last(t)
		require.Equal(t, "record.read", e.Type)
		require.Equal(t, "appointment/"+a.ID.String(), e.Subject)
		require.Equal(t, actor.ID, e.ActorID)
		require.Equal(t, b.patient.UserID, *e.Person)
		require.InDelta(t, 1, e.Data["version"], 0)
	}
	_, missing := b.service.Get(t.Context(), by(b.receptionist), uuid.New())
	require.Equal(t, "access.denied", b.last(t).Type)
	require.Nil(t, b.last(t).Person)
	for _, actor := range []care.Actor{b.neighbour, b.stranger, b.elsewhere, b.auditor, b.operator} {
		_, err := b.service.Get(t.Context(), by(actor), a.ID)
		require.Equal(t, refused(t, missing, care.NotFound).Message, refused(t, err, care.NotFound).Message, "what is hidden looks like what is not there")
		e := b.last(t)
		require.Equal(t, "access.denied", e.Type)
		require.Equal(t, actor.ID, e.ActorID)
		require.Equal(t, b.patient.UserID, *e.Person)
	}
}

func TestTransition_FollowsTheAccessTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	people := map[string]care.Actor{
		"patient": b.patient, "receptionist": b.receptionist, "doctor": b.doctor, "nurse": b.nurse, "admin": b.admin,
		"neighbour": b.neighbour, "stranger": b.stranger, "operator": b.operator,
	}
	b.always(t)
	everyone := []string{"patient", "receptionist", "doctor", "nurse", "admin"}
	may := map[appointment.Transition][]string{
		appointment.Book: everyone[1:], appointment.Confirm: everyone, appointment.Reschedule: everyone[1:], appointment.CheckIn: everyone[1:4],
		appointment.Complete: everyone[1:4], appointment.Cancel: everyone, appointment.Miss: everyone[1:4],
		appointment.Reassign: everyone[1:], appointment.Reverse: everyone[1:],
	}
	n := 0
	for transition, named := range may {
		from := slices.Sorted(maps.Keys(leads[transition]))[0]
		for name, actor := range people {
			n += 2
			a := b.at(t, from, n)
			_, err := b.move(t, actor, a, transition, n+1)
			switch {
			case slices.Contains(named, name):
				require.NoError(t, err, "%s by %s", transition, name)
				continue
			case slices.Contains(everyone, name):
				requireCode(t, err, care.Forbidden)
			default:
				requireCode(t, err, care.NotFound)
			}
			e := b.last(t)
			require.Equal(t, "access.denied", e.Type)
			require.Equal(t, string(transition.Action()), e.Data["action"], "%s by %s", transition, name)
		}
	}
}

func TestTransition_ListsOnlyThePatientsOptionsToAPatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.at(t, appointment.Confirmed, 0)
	_, err := b.service.Transition(t.Context(), by(b.patient), a.ID, a.Version, appointment.Confirm)
	require.Equal(t, "confirm is not allowed: the appointment is confirmed; allowed now: cancel", refused(t, err, care.Conflict).Message)
	a, err = b.service.Transition(t.Context(), by(b.patient), a.ID, a.Version, appointment.Cancel)
	require.NoError(t, err)
	_, err = b.service.Transition(t.Context(), by(b.patient), a.ID, a.Version, appointment.Cancel)
	require.Equal(t, "cancel is not allowed: the appointment is cancelled; you cannot change it any further", refused(t, err, care.Conflict).Message)
}

// fill creates appointments of several people at both clinics and returns their ids by slot.
func (b *testBundle) fill(t *testing.T) []uuid.UUID {
	t.Helper()
	var ids []uuid.UUID
	for n, in := range []appointment.Input{
		{PatientID: b.patient.UserID, ClinicID: b.here, DoctorID: b.doctor.UserID},
		{PatientID: b.neighbour.UserID, ClinicID: b.here, DoctorID: b.doctor.UserID},
		{PatientID: b.patient.UserID, ClinicID: b.there, DoctorID: b.doctor.UserID},
		{PatientID: b.neighbour.UserID, ClinicID: b.here, DoctorID: b.colleague.UserID},
		{PatientID: b.patient.UserID, ClinicID: b.here, DoctorID: b.colleague.UserID},
	} {
		in.Slot = b.slot(n)
		actor := b.receptionist
		if in.ClinicID == b.there {
			actor = b.elsewhere
		}
		ids = append(ids, b.create(t, actor, in).ID)
	}
	return ids
}

func TestList_ReturnsOnlyVisibleAppointmentsInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.fill(t)
	at := func(n int) time.Time { return b.slot(n).StartsAt }
	for name, c := range map[string]struct {
		actor  care.Actor
		filter appointment.Filter
		want   []int
	}{
		"a patient's own":               {b.patient, appointment.Filter{}, []int{0, 2, 4}},
		"a patient's own, by name":      {b.patient, appointment.Filter{PatientID: b.patient.UserID}, []int{0, 2, 4}},
		"a patient's with a doctor":     {b.patient, appointment.Filter{DoctorID: b.doctor.UserID}, []int{0, 2}},
		"a patient's at a clinic":       {b.patient, appointment.Filter{ClinicID: b.there}, []int{2}},
		"all of here":                   {b.receptionist, appointment.Filter{}, []int{0, 1, 3, 4}},
		"of here, by name":              {b.receptionist, appointment.Filter{ClinicID: b.here}, []int{0, 1, 3, 4}},
		"a doctor's, of here only":      {b.receptionist, appointment.Filter{DoctorID: b.doctor.UserID}, []int{0, 1}},
		"a patient's, of here only":     {b.receptionist, appointment.Filter{PatientID: b.patient.UserID}, []int{0, 4}},
		"a patient's with one doctor":   {b.receptionist, appointment.Filter{PatientID: b.patient.UserID, DoctorID: b.colleague.UserID, ClinicID: b.here}, []int{4}},
		"all of a doctor at both":       {b.doctor, appointment.Filter{DoctorID: b.doctor.UserID}, []int{0, 1, 2}},
		"from then on, up to then":      {b.doctor, appointment.Filter{From: at(1), To: at(4)}, []int{1, 2, 3}},
		"a patient's in a time":         {b.doctor, appointment.Filter{PatientID: b.patient.UserID, From: at(1), To: at(4)}, []int{2}},
		"a doctor's in a time":          {b.doctor, appointment.Filter{DoctorID: b.doctor.UserID, From: at(1)}, []int{1, 2}},
		"a clinic's in a time":          {b.doctor, appointment.Filter{ClinicID: b.here, To: at(3)}, []int{0, 1}},
		"nothing in that time":          {b.doctor, appointment.Filter{ClinicID: b.here, From: at(10)}, nil},
		"another's are not a patient's": {b.neighbour, appointment.Filter{DoctorID: b.doctor.UserID}, []int{1}},
	} {
		got := []uuid.UUID{}
		c.filter.Limit = 2
		for {
			page, err := b.service.List(t.Context(), by(c.actor), c.filter)
			require.NoError(t, err, name)
			for _, a := range page.Items {
				got = append(got, a.ID)
			}
			if c.filter.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		want := []uuid.UUID{}
		for _, n := range c.want {
			want = append(want, ids[n])
		}
		require.Equal(t, want, got, name)
	}
}

func TestList_IsAuditedPerPatientAndClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.fill(t)
	before := b.count(t, "outbox")
	_, err := b.service.List(t.Context(), by(b.receptionist), appointment.Filter{})
	require.NoError(t, err)
	events := b.outbox(t)[before:]
	require.Len(t, events, 2)
	require.Equal(t, "patient/"+b.patient.ID, events[0].Subject)
	require.Equal(t, []any{ids[0].String(), ids[4].String()}, events[0].Data["recordIds"])
	require.Equal(t, "list", events[0].Data["action"])
	require.Equal(t, b.neighbour.UserID, *events[1].Person)

	before = b.count(t, "outbox")
	_, err = b.service.List(t.Context(), by(b.receptionist), appointment.Filter{PatientID: b.patient.UserID, From: b.slot(10).StartsAt})
	require.NoError(t, err)
	require.Len(t, b.outbox(t)[before:], 1, "that a patient has none is told too")
}

func TestList_OfHiddenAppointmentsIsDeniedAndAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(t)
	for name, c := range map[string]struct {
		actor  care.Actor
		filter appointment.Filter
		code   care.Code
	}{
		"another patient's":         {b.patient, appointment.Filter{PatientID: b.neighbour.UserID}, care.NotFound},
		"a patient of another's":    {b.elsewhere, appointment.Filter{PatientID: b.neighbour.UserID}, care.NotFound},
		"nobody":                    {b.receptionist, appointment.Filter{PatientID: uuid.New()}, care.NotFound},
		"another clinic's":          {b.receptionist, appointment.Filter{ClinicID: b.there}, care.Forbidden},
		"a patient, there":          {b.receptionist, appointment.Filter{PatientID: b.patient.UserID, ClinicID: b.there}, care.NotFound},
		"a platform role, anything": {b.auditor, appointment.Filter{}, care.Forbidden},
	} {
		_, err := b.service.List(t.Context(), by(c.actor), c.filter)
		require.Equal(t, c.code, care.CodeOf(err), "%s: %v", name, err)
		require.Equal(t, "access.denied", b.last(t).Type, name)
		require.Equal(t, c.actor.ID, b.last(t).ActorID)
	}
	for _, f := range []appointment.Filter{{Limit: 201}, {Limit: -1}, {Cursor: "?"}, {From: b.start, To: b.start}} {
		_, err := b.service.List(t.Context(), by(b.receptionist), f)
		requireCode(t, err, care.Invalid)
	}
}
