package appointment_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

var statuses = []appointment.Status{
	appointment.Requested, appointment.Booked, appointment.Confirmed, appointment.CheckedIn, appointment.Completed, appointment.Cancelled, appointment.NoShow,
}

// leads is the expected status after each transition from each status. Transitions that are not in
// it are refused.
var leads = map[appointment.Transition]map[appointment.Status]appointment.Status{
	appointment.Book:       {appointment.Requested: appointment.Booked},
	appointment.Confirm:    {appointment.Booked: appointment.Confirmed},
	appointment.Reschedule: {appointment.Requested: appointment.Requested, appointment.Booked: appointment.Booked, appointment.Confirmed: appointment.Booked},
	appointment.Reassign:   {appointment.Requested: appointment.Requested, appointment.Booked: appointment.Booked, appointment.Confirmed: appointment.Booked},
	appointment.CheckIn:    {appointment.Booked: appointment.CheckedIn, appointment.Confirmed: appointment.CheckedIn, appointment.NoShow: appointment.CheckedIn},
	appointment.Complete:   {appointment.CheckedIn: appointment.Completed},
	appointment.Cancel:     {appointment.Requested: appointment.Cancelled, appointment.Booked: appointment.Cancelled, appointment.Confirmed: appointment.Cancelled},
	appointment.Miss:       {appointment.Booked: appointment.NoShow, appointment.Confirmed: appointment.NoShow},
	// The fixture booked it before.
	appointment.Reverse: {appointment.Completed: appointment.CheckedIn, appointment.Cancelled: appointment.Booked, appointment.NoShow: appointment.Booked},
}

var eventOf = map[appointment.Transition]string{
	appointment.Book: "appointment.booked", appointment.Confirm: "appointment.confirmed", appointment.Reschedule: "appointment.rescheduled",
	appointment.CheckIn: "appointment.checked_in", appointment.Complete: "appointment.completed", appointment.Cancel: "appointment.cancelled",
	appointment.Miss: "appointment.no_show", appointment.Reassign: "appointment.reassigned", appointment.Reverse: "appointment.reversed",
}

// begins reports whether the transition requires that the appointment has begun.
func begins(t appointment.Transition) bool {
	return t == appointment.CheckIn || t == appointment.Complete || t == appointment.Miss
}

// can reports whether the clinic may do the transition from the status, either days before the
// appointment or once it begins.
func can(t appointment.Transition, from appointment.Status, begun bool) bool {
	_, ok := leads[t][from]
	switch {
	case begins(t):
		return ok && begun
	case t == appointment.Book || t == appointment.Reverse: // The step to reverse was made today, and the appointment is days ahead.
		return ok && !begun
	default:
		return ok
	}
}

func TestTransition_FollowsTheTableAndListsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	n := 0
	for transition, to := range leads {
		for _, status := range statuses {
			n += 2
			a := b.at(t, status, n)
			before := b.count(t, "outbox")
			got, err := b.move(t, b.receptionist, a, transition, n+1)
			want, ok := to[status]
			if !ok {
				e := refused(t, err, care.Conflict)
				require.Contains(t, e.Message, string(transition)+" is not allowed", "%s from %s", transition, status)
				for other := range leads {
					_, said, _ := strings.Cut(e.Message, ";")
					require.Equal(t, can(other, status, begins(transition)), strings.Contains(said+",", " "+string(other)+","), "%s from %s: %s", transition, status, e.Message)
				}
				require.Equal(t, before, b.count(t, "outbox"), "a refused transition tells nothing")
				continue
			}
			require.NoError(t, err, "%s from %s", transition, status)
			require.Equal(t, want, got.Status)
			require.Equal(t, a.Version+1, got.Version)
			e := b.last(t)
			require.Equal(t, eventOf[transition], e.Type)
			require.Equal(t, string(want), e.Data["status"])
			require.Equal(t, got.Version, *e.Version)
		}
	}
}

func (b *testBundle) move(t *testing.T, actor care.Actor, a appointment.Appointment, transition appointment.Transition, n int) (appointment.Appointment, error) {
	t.Helper()
	var moved appointment.Appointment
	var err error
	do := func() {
		switch transition {
		case appointment.Reschedule:
			moved, err = b.service.Reschedule(t.Context(), by(actor), a.ID, a.Version, appointment.NewTime{Slot: b.slot(n)})
		case appointment.Reassign:
			moved, err = b.service.Reassign(t.Context(), by(actor), a.ID, a.Version, appointment.NewDoctor{DoctorID: b.colleague.UserID})
		case appointment.Reverse:
			moved, err = b.service.Reverse(t.Context(), by(actor), a.ID, a.Version, appointment.Reversal{Reason: "A slip."})
		default:
			moved, err = b.service.Transition(t.Context(), by(actor), a.ID, a.Version, transition)
		}
	}
	switch {
	case begins(transition):
		b.atTime(a.StartsAt, do)
	case transition == appointment.Reverse:
		b.atTime(a.UpdatedAt, do)
	default:
		do()
	}
	return moved, err
}

func TestEvents_HaveOnePerVersionWithIDsStatusAndStartOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	a := b.create(t, b.patient, b.input(0))
	require.Equal(t, appointment.Requested, a.Status, "a patient requests")
	for _, move := range []appointment.Transition{appointment.Book, appointment.Confirm, appointment.Reschedule, appointment.CheckIn, appointment.Complete} {
		var err error
		a, err = b.move(t, b.nurse, a, move, 4)
		require.NoError(t, err)
	}
	var types []string
	for i, e := range b.outbox(t) {
		types = append(types, e.Type)
		require.Equal(t, "appointment/"+a.ID.String(), e.Subject)
		require.Equal(t, int64(i+1), *e.Version)
		require.Equal(t, b.patient.UserID, *e.Person)
		require.Equal(t, b.here, *e.Clinic)
		require.Len(t, e.Data, 6, "%v", e.Data)
	}
	require.Equal(t, []string{
		"appointment.requested", "appointment.booked", "appointment.confirmed", "appointment.rescheduled", "appointment.checked_in", "appointment.completed",
	}, types)
	last := b.last(t)
	require.Equal(t, b.nurse.ID, last.ActorID)
	require.Equal(t, "nurse", last.ActorRole)
	require.Equal(t, map[string]any{
		"appointmentId": a.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "doctorId": b.doctor.ID,
		"status": "completed", "startsAt": b.slot(4).StartsAt.Format(time.RFC3339),
	}, last.Data)
}

func TestEvents_CommitWithTheAppointmentOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	b.exec(t, "REVOKE INSERT ON outbox FROM carewire_app")
	_, err := b.service.Create(t.Context(), by(b.receptionist), b.input(1))
	require.Error(t, err)
	_, err = b.service.Transition(t.Context(), by(b.receptionist), a.ID, a.Version, appointment.Cancel)
	require.Error(t, err)
	_, err = b.service.Get(t.Context(), by(b.receptionist), a.ID)
	require.Error(t, err, "a read that cannot be audited is refused")
	require.Equal(t, 1, b.count(t, "appointments WHERE status = 'booked' AND version = 1"))
	require.Equal(t, 1, b.count(t, "appointments"))
}

func TestCreate_ChecksEveryField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		actor  care.Actor
		change func(*appointment.Input)
		fields []string
	}{
		"no clinic":               {b.receptionist, func(in *appointment.Input) { in.ClinicID = uuid.Nil }, []string{"clinicId"}},
		"nobody":                  {b.receptionist, func(in *appointment.Input) { in.PatientID, in.DoctorID = uuid.Nil, uuid.Nil }, []string{"patientId", "doctorId"}},
		"no time":                 {b.receptionist, func(in *appointment.Input) { in.Slot = appointment.Slot{} }, []string{"startsAt", "endsAt"}},
		"ends before it starts":   {b.receptionist, func(in *appointment.Input) { in.EndsAt = in.StartsAt }, []string{"endsAt"}},
		"longer than a day":       {b.receptionist, func(in *appointment.Input) { in.EndsAt = in.StartsAt.Add(25 * time.Hour) }, []string{"endsAt"}},
		"long ago":                {b.receptionist, func(in *appointment.Input) { in.Slot = ago(25 * time.Hour) }, []string{"startsAt"}},
		"a wish for what is past": {b.patient, func(in *appointment.Input) { in.Slot = ago(time.Minute) }, []string{"startsAt"}},
		"far ahead":               {b.receptionist, func(in *appointment.Input) { in.Slot = ago(-3 * 366 * 24 * time.Hour) }, []string{"startsAt"}},
		"oneself":                 {b.receptionist, func(in *appointment.Input) { in.DoctorID = in.PatientID }, []string{"doctorId"}},
		"no patient of here":      {b.receptionist, func(in *appointment.Input) { in.PatientID = b.stranger.UserID }, []string{"patientId"}},
		"no doctor of here":       {b.receptionist, func(in *appointment.Input) { in.DoctorID = b.stranger.UserID }, []string{"doctorId"}},
		"nobody there is":         {b.receptionist, func(in *appointment.Input) { in.PatientID, in.DoctorID = uuid.New(), uuid.New() }, []string{"patientId", "doctorId"}},
	} {
		in := b.input(0)
		c.change(&in)
		_, err := b.service.Create(t.Context(), by(c.actor), in)
		requireCode(t, err, care.Invalid, c.fields...)
		require.Zero(t, b.count(t, "appointments"), name)
	}
	in := b.input(0)
	in.Slot = ago(time.Hour)
	b.create(t, b.receptionist, in)
}

func ago(d time.Duration) appointment.Slot {
	at := time.Now().Add(-d)
	return appointment.Slot{StartsAt: at, EndsAt: at.Add(time.Hour)}
}

func TestSlots_AreHeldWhileBookedConfirmedOrCheckedInOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	for i, status := range statuses {
		n := 4 * i
		b.at(t, status, n)
		in := b.input(n)
		_, err := b.service.Create(t.Context(), by(b.receptionist), in)
		if status == appointment.Booked || status == appointment.Confirmed || status == appointment.CheckedIn {
			requireCode(t, err, care.Conflict, "startsAt")
			b.create(t, b.receptionist, b.input(n+1)) // A slot does not include its end.
			continue
		}
		require.NoError(t, err, "%s holds nothing", status)
	}
}

func TestSlots_InAConflictAreShownOnlyIfTheActorMaySeeThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	b.create(t, b.receptionist, b.input(0))
	conflict := func(actor care.Actor, change func(*appointment.Input)) string {
		in := b.input(0)
		in.EndsAt = in.EndsAt.Add(time.Hour)
		change(&in)
		_, err := b.service.Create(t.Context(), by(actor), in)
		e := refused(t, err, care.Conflict, "startsAt")
		require.Equal(t, "this time is not available", e.Message)
		return e.Fields[0].Message
	}
	slot := b.slot(0)
	from, to := slot.StartsAt.Format(time.RFC3339), slot.EndsAt.Format(time.RFC3339)
	hidden := "is not available: choose another time"
	require.Equal(t, "the doctor is taken from "+from+" to "+to+": choose another time", conflict(b.nurse, func(in *appointment.Input) { in.PatientID = b.neighbour.UserID }))
	require.Equal(t, "the patient is taken from "+from+" to "+to+": choose another time", conflict(b.nurse, func(in *appointment.Input) { in.DoctorID = b.colleague.UserID }))
	require.Contains(t, conflict(b.patient, func(*appointment.Input) {}), from, "their own")
	require.Equal(t, hidden, conflict(b.neighbour, func(in *appointment.Input) { in.PatientID = b.neighbour.UserID }))
	require.Equal(t, hidden, conflict(b.elsewhere, func(in *appointment.Input) { in.ClinicID = b.there }), "an appointment at another clinic")
	require.Equal(t, hidden, conflict(b.elsewhere, func(in *appointment.Input) { in.ClinicID, in.DoctorID = b.there, b.stranger.UserID }))
}

func TestReschedule_FreesTheOldSlotAndNeedsTheNewOneFree(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	b.create(t, b.receptionist, b.input(2))
	_, err := b.service.Reschedule(t.Context(), by(b.receptionist), a.ID, 1, appointment.NewTime{Slot: b.slot(2)})
	requireCode(t, err, care.Conflict, "startsAt")
	_, err = b.service.Reschedule(t.Context(), by(b.receptionist), a.ID, 1, appointment.NewTime{Slot: appointment.Slot{}})
	requireCode(t, err, care.Invalid, "startsAt", "endsAt")
	longer := b.slot(0)
	longer.EndsAt = longer.EndsAt.Add(10 * time.Minute)
	a, err = b.service.Reschedule(t.Context(), by(b.receptionist), a.ID, 1, appointment.NewTime{Slot: longer})
	require.NoError(t, err, "an appointment is not in its own way")
	a, err = b.service.Reschedule(t.Context(), by(b.receptionist), a.ID, a.Version, appointment.NewTime{Slot: b.slot(5)})
	require.NoError(t, err)
	require.Equal(t, b.slot(5).StartsAt, a.StartsAt)
	b.create(t, b.receptionist, b.input(0))

	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.doctor.UserID)
	_, err = b.service.Reschedule(t.Context(), by(b.receptionist), a.ID, a.Version, appointment.NewTime{Slot: b.slot(7)})
	require.Contains(t, refused(t, err, care.Conflict).Message, "no longer active")
	_, err = b.service.Transition(t.Context(), by(b.receptionist), a.ID, a.Version, appointment.Cancel)
	require.NoError(t, err, "it can still be cancelled")
}

func TestImports_MayOverlapAndFireNoRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seed := care.Command{Actor: care.SystemActor("seed"), Imported: true}
	in := b.input(0)
	in.Slot = ago(1000 * time.Hour)
	for range 2 {
		_, err := b.service.Create(t.Context(), seed, in)
		require.NoError(t, err)
		require.True(t, b.last(t).Imported)
	}
	require.Equal(t, 2, b.count(t, "appointments WHERE historic"))
}

func TestNoShow_RequiresThatTheAppointmentHasBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	_, err := b.service.Transition(t.Context(), by(b.receptionist), a.ID, 1, appointment.Miss)
	require.Contains(t, refused(t, err, care.Conflict).Message, b.slot(0).StartsAt.Format(time.RFC3339))
}

func TestTransition_RequiresTheCurrentVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	_, err := b.service.Transition(t.Context(), by(b.receptionist), a.ID, 0, appointment.Confirm)
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.service.Transition(t.Context(), by(b.receptionist), a.ID, 2, appointment.Confirm)
	require.Equal(t, int64(1), refused(t, err, care.PreconditionFailed).Version)
	_, err = b.service.Transition(t.Context(), by(b.receptionist), a.ID, 1, "undo")
	require.Error(t, err)
	require.Empty(t, care.CodeOf(err), "a mistake in the program")
}

// racers is the number of concurrent requests for one slot: many more than there are connections.
const racers = 100

func TestBooking_ConcurrentlyNeverOverlapsOrDeadlocks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Two doctors and two patients in every combination, and an appointment that many try to
	// reschedule to that time.
	other := b.create(t, b.receptionist, appointment.Input{PatientID: b.neighbour.UserID, ClinicID: b.here, DoctorID: b.colleague.UserID, Slot: b.slot(20)})
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			in := b.input(0)
			switch i % 4 {
			case 1:
				in.DoctorID = b.colleague.UserID
			case 2:
				in.PatientID = b.neighbour.UserID
			case 3:
				_, errs[i] = b.service.Reschedule(t.Context(), by(b.receptionist), other.ID, 1, appointment.NewTime{Slot: b.slot(0)})
				return
			}
			_, errs[i] = b.service.Create(t.Context(), by(b.receptionist), in)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			require.Contains(t, []care.Code{care.Conflict, care.PreconditionFailed}, care.CodeOf(err), "%v", err)
		}
	}
	for _, column := range []string{"doctor_id", "patient_id"} {
		var most int
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT max(n) FROM (SELECT count(*) AS n FROM appointments WHERE starts_at = $1 GROUP BY "+column+") AS held", b.start).Scan(&most))
		require.Equal(t, 1, most, column)
	}
}

func TestBooking_ConcurrentlyOfOneSlotSucceedsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			in := b.input(0)
			if i%2 == 0 {
				in.PatientID = b.neighbour.UserID
			}
			_, errs[i] = b.service.Create(t.Context(), by(b.receptionist), in)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		// The query found the conflict, not only the constraint.
		require.Contains(t, refused(t, err, care.Conflict, "startsAt").Fields[0].Message, "is taken from")
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, b.count(t, "appointments"))
	require.Equal(t, 1, b.count(t, "outbox WHERE type = 'appointment.booked'"))
}

func TestBooking_LocksThePersonWithTheLowerIDFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lowest := b.personWith(t, uuid.UUID{15: 1}, care.Patient, &b.here)
	highest := b.personWith(t, uuid.UUID{0: 255}, care.Patient, &b.here)
	b.requireLockOrder(t, lowest, lowest, b.doctor)
	b.requireLockOrder(t, highest, b.doctor, highest)
}

// requireLockOrder books for the patient while another transaction locks the first person, and
// checks whether the second is locked.
func (b *testBundle) requireLockOrder(t *testing.T, patient, first, second care.Actor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	holder, err := b.db.Owner.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = holder.Rollback(context.WithoutCancel(ctx)) }()
	_, err = holder.Exec(ctx, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", first.UserID)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		in := b.input(int(patient.UserID[0]))
		in.PatientID = patient.UserID
		_, err := b.service.Create(ctx, by(b.receptionist), in)
		done <- err
	}()
	require.Eventually(t, func() bool { // Who waits for a row holds its tuple lock meanwhile.
		return b.count(t, "pg_locks WHERE locktype = 'tuple' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 1
	}, 10*time.Second, 5*time.Millisecond, "the booking waits")
	_, err = holder.Exec(ctx, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE NOWAIT", second.UserID)
	require.NoError(t, err, "while it waits for the first it holds nobody else")
	require.NoError(t, holder.Rollback(ctx))
	require.NoError(t, <-done)
}

func TestBooking_CannotOverlapInTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.create(t, b.receptionist, b.input(0))
	for _, column := range []string{"doctor_id", "patient_id"} {
		_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
			SELECT gen_random_uuid(), 1, clinic_id, CASE WHEN $2 = 'patient_id' THEN patient_id ELSE $3 END, CASE WHEN $2 = 'doctor_id' THEN doctor_id ELSE $4 END,
				status, starts_at + interval '10 minutes', ends_at, false, now(), '', now(), '' FROM appointments WHERE id = $1`, a.ID, column, b.neighbour.UserID, b.colleague.UserID)
		require.ErrorContains(t, err, "appointments_"+strings.TrimSuffix(column, "_id")+"_free")
	}
}
