package notify_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// appointmentID is the n-th appointment of a test.
func appointmentID(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("00000000-0000-7000-8000-%012d", n))
}

func appointmentSubject(n int) string {
	return care.Ref{Kind: "appointment", ID: appointmentID(n)}.String()
}

// cancel cancels the n-th appointment, at version 2, in a transaction of the domain's role.
func (b *bundle) cancel(n int) {
	b.t.Helper()
	cmd := care.Command{Actor: care.SystemActor("test")}
	e := event.New(cmd, "appointment.cancelled", care.Ref{Kind: "appointment", ID: appointmentID(n)}, event.Appointment{
		AppointmentID: appointmentID(n), UserID: b.user, ClinicID: b.clinic, DoctorID: b.user, Status: "cancelled", StartsAt: "2027-03-15T09:00:00Z",
	}).About(cmd, b.user, &b.clinic).AtVersion(2)
	e.CutsOff = true
	require.NoError(b.t, postgres.InTx(b.t.Context(), b.db.App, func(tx pgx.Tx) error { return outbox.Append(b.t.Context(), tx, e) }))
}

func (b *bundle) planBooked(n int, p plan) uuid.UUID {
	b.t.Helper()
	p.subject, p.version = appointmentSubject(n), 1
	return b.plan(p)
}

func TestWorker_SendsNothingThatACutOffMadeUntrue(t *testing.T) {
	t.Parallel()
	b, email, push := withRecorders(t)
	untrue := b.planBooked(1, plan{fallback: []string{notify.Email}})
	critical := b.planBooked(1, plan{priority: "critical", channel: notify.Email})
	own := b.plan(plan{subject: appointmentSubject(1), version: 2})
	unversioned := b.plan(plan{subject: appointmentSubject(1)})
	other := b.planBooked(2, plan{})
	b.cancel(1)
	b.enqueue(untrue, critical, own, unversioned, other)
	b.start()
	for _, id := range []uuid.UUID{untrue, critical} {
		d := b.await(id, "cancelled")
		require.Equal(t, "cut_off:appointment.cancelled", d.Reason)
		require.Nil(t, d.ErrorCode)
		require.Zero(t, d.Attempt, "no provider was called")
		require.Equal(t, 1, b.told("notification.cancelled", id))
		require.Zero(t, b.told("notification.failed", id))
	}
	for _, id := range []uuid.UUID{own, unversioned, other} {
		b.await(id, "sent")
	}
	b.idle()
	require.Empty(t, email.Messages(), "neither the message nor a fallback")
	require.Len(t, push.Messages(), 3)
	require.Equal(t, 2, b.observed(notify.OutcomeCutOff))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.cancelled'
		AND data @> jsonb_build_object('channels', jsonb_build_array(jsonb_build_object('deliveryId', $1::text, 'state', 'cancelled', 'reason', 'cut_off:appointment.cancelled')))`, untrue))
}

func TestWorker_ThatStoppedBetweenClaimAndCallRefusesWhatIsCutOffMeanwhile(t *testing.T) {
	t.Parallel()
	b, _, push := withRecorders(t)
	var once sync.Once
	id := b.planBooked(1, plan{})
	// The provider is not reached, and the appointment is cancelled before the job runs again.
	push.Answer(func(notify.Message) (notify.Receipt, error) {
		once.Do(func() { b.cancel(1) })
		return notify.Receipt{}, notify.Transient("unreachable", 0)
	})
	b.start()
	b.enqueue(id)
	d := b.await(id, "cancelled")
	require.Equal(t, 1, d.Attempt, "an attempt that was under way settles as usual")
	require.Len(t, push.Messages(), 1)
	b.idle()
	require.Len(t, push.Messages(), 1)
	require.Equal(t, 1, b.told("notification.cancelled", id))
}

func TestWorker_DoesNotRepeatAnInterruptedCallOfWhatIsCutOff(t *testing.T) {
	t.Parallel()
	b, email, push := withRecorders(t)
	id := b.planBooked(1, plan{priority: "critical", fallback: []string{notify.Email}}) // Push and critical messages are repeated otherwise.
	b.exec(`UPDATE deliveries SET attempt = 1, attempt_started_at = now() - interval '1 hour', claimed_by = $2 WHERE id = $1`, id, newID())
	b.cancel(1)
	b.start()
	b.enqueue(id)
	d := b.await(id, "uncertain")
	require.True(t, d.Waits, "it may have been sent: a receipt decides")
	b.exec(`UPDATE deliveries SET deadline_at = now() - interval '1 second' WHERE id = $1`, id)
	_, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	b.await(id, "unknown")
	b.idle()
	require.Empty(t, push.Messages())
	require.Empty(t, email.Messages(), "no fallback")
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries`))
}

func TestWorker_TakesNoFallbackForWhatIsCutOffDuringTheCall(t *testing.T) {
	t.Parallel()
	b, email, push := withRecorders(t)
	id := b.planBooked(1, plan{fallback: []string{notify.Email}})
	push.Answer(func(notify.Message) (notify.Receipt, error) {
		b.cancel(1)
		return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
	})
	b.start()
	b.enqueue(id)
	require.Equal(t, "INVALID_ARGUMENT", *b.await(id, "failed").ErrorCode)
	b.idle()
	require.Empty(t, email.Messages())
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries`))
}

func TestRedrive_RefusesWhatIsNoLongerTrue(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	for _, state := range []string{"failed", "cancelled", "unknown"} {
		id := b.planBooked(1, plan{})
		b.exec(`UPDATE deliveries SET state = $2 WHERE id = $1`, id, state)
		b.cancel(1)
		err := b.redrive(id)
		require.Equal(t, care.Conflict, care.CodeOf(err), state)
		require.ErrorContains(t, err, "appointment.cancelled followed the event that it tells of")
		require.Equal(t, state, b.delivery(id).State)
	}
	require.Zero(t, b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery'`))
}

func TestWorker_BeginsNoCallAfterTheCommitOfACancellationUnderLoad(t *testing.T) {
	t.Parallel()
	const appointments = 100
	email, push := &notifytest.Recorder{}, &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: email, notify.Push: push})
	var mu sync.Mutex
	claimed := map[uuid.UUID]time.Time{}
	answer := func(m notify.Message) (notify.Receipt, error) {
		var at time.Time
		if err := b.db.Owner.QueryRow(t.Context(), `SELECT attempt_started_at FROM deliveries WHERE id = $1`, m.DeliveryID).Scan(&at); err != nil {
			return notify.Receipt{}, err
		}
		mu.Lock()
		claimed[m.DeliveryID] = at
		mu.Unlock()
		return notify.Receipt{}, nil
	}
	email.Answer(answer)
	push.Answer(answer)
	messages := make([][]uuid.UUID, appointments)
	for n := range appointments {
		messages[n] = []uuid.UUID{b.planBooked(n, plan{}), b.planBooked(n, plan{channel: notify.Email})}
		b.enqueue(messages[n]...)
	}
	// The first are cancelled before any claim, the others while the worker runs.
	committed := make([]time.Time, appointments)
	cancel := func(n int) {
		b.cancel(n)
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&committed[n]))
	}
	for n := range 10 {
		cancel(n)
	}
	b.start()
	for n := 10; n < appointments; n++ {
		cancel(n)
	}
	b.idle()
	for n := range appointments {
		for _, id := range messages[n] {
			d := b.delivery(id)
			require.Contains(t, []string{"sent", "cancelled"}, d.State)
			at, called := claimed[id]
			require.Equal(t, d.State == "sent", called)
			if called {
				require.False(t, at.After(committed[n]), "claimed after the commit of the cancellation")
			}
			if n < 10 {
				require.Equal(t, "cancelled", d.State)
			}
		}
	}
}

func TestSweep_CancelsHeldMessagesThatAreNoLongerTrue(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	untrue, still := b.planBooked(1, plan{}), b.planBooked(2, plan{})
	b.exec(`UPDATE deliveries SET state = 'planned'`)
	b.exec(`UPDATE notifications SET held_until = now() - interval '1 second'`)
	b.cancel(1)
	_, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	d := b.delivery(untrue)
	require.Equal(t, "cancelled", d.State)
	require.Equal(t, "cut_off:appointment.cancelled", d.Reason)
	require.Equal(t, 1, b.told("notification.cancelled", untrue))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM notifications WHERE held_until = 'infinity'`), "it never shows")
	require.Equal(t, "queued", b.delivery(still).State)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM river.river_job WHERE kind = 'delivery'`))
}

func TestWorker_RefusesWhatAPersonalCutOffMadeUntrueForThatPersonOnly(t *testing.T) {
	t.Parallel()
	b, email, push := withRecorders(t)
	conversation := care.Ref{Kind: "conversation", ID: newID()}
	cutOff := func(person uuid.UUID, version int64) {
		require.NoError(t, postgres.InTx(t.Context(), b.db.App, func(tx pgx.Tx) error {
			return outbox.CutOff(t.Context(), tx, care.Command{Actor: care.SystemActor("test")},
				outbox.PersonalCutOff{ConversationID: conversation.ID, PersonID: person, Version: version, Cause: "read"})
		}))
	}
	cutOff(newID(), 9)
	cutOff(b.user, 3)
	read := b.plan(plan{subject: conversation.String(), version: 2, fallback: []string{notify.Email}})
	unread := b.plan(plan{subject: conversation.String(), version: 3})
	// What the person reads during the call takes no fallback.
	failing := b.plan(plan{subject: conversation.String(), version: 4, fallback: []string{notify.Email}})
	push.Answer(func(m notify.Message) (notify.Receipt, error) {
		if m.DeliveryID == failing {
			cutOff(b.user, 5)
			return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
		}
		return notify.Receipt{}, nil
	})
	b.start()
	b.enqueue(read, unread)
	require.Equal(t, "cut_off:read", b.await(read, "cancelled").Reason)
	b.await(unread, "sent")
	b.enqueue(failing)
	b.await(failing, "failed")
	b.idle()
	require.Empty(t, email.Messages())
	err := b.redrive(failing)
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.ErrorContains(t, err, "the recipient has read")
}
