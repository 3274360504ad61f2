package outbox_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// cutting returns an event about an appointment that cuts off.
func cutting(id uuid.UUID, typ string, version int64) event.Event {
	cmd := care.Command{Actor: care.Actor{ID: "desk"}, CorrelationID: "request-7"}
	e := event.New(cmd, typ, care.Ref{Kind: "appointment", ID: id}, event.Appointment{AppointmentID: id, UserID: uuid.New(), ClinicID: uuid.New(), DoctorID: uuid.New()})
	e = e.AtVersion(version)
	e.CutsOff = true
	return e
}

// cutoff is a row of subject_cutoffs.
type cutoff struct {
	Version int64
	Type    string
	Cause   uuid.UUID
}

func cutoffs(t *testing.T, d *postgrestest.DB, id uuid.UUID) []cutoff {
	t.Helper()
	rows, err := d.Owner.Query(t.Context(), "SELECT version, cause_type, cause_event_id FROM subject_cutoffs WHERE subject = $1", "appointment/"+id.String())
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[cutoff])
	require.NoError(t, err)
	return all
}

func exec(t *testing.T, d *postgrestest.DB, sql string, args ...any) {
	t.Helper()
	_, err := d.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// wait inserts a notification about the appointment that waits for its time, with one planned
// delivery for each channel.
func wait(t *testing.T, d *postgrestest.DB, appointment uuid.UUID, position, version int64, channels ...string) uuid.UUID {
	t.Helper()
	id, person := uuid.New(), uuid.New()
	exec(t, d, `INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'A', 'B')`, person, person.String()+"@mail.example")
	exec(t, d, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, plan_key,
			subject_version, due_at, held_until)
		VALUES ($1, $2, $3, 'appointment.booked', $4, $5, 'appointment', 'normal', 'reminder', 4, 'reminder', '24h', $6, now() + interval '1 day', 'infinity')`,
		id, position, uuid.New(), "appointment/"+appointment.String(), person, version)
	exec(t, d, `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority, plan_key, not_before)
		SELECT gen_random_uuid(), n.event_position, n.id, n.event_id, n.recipient_id, c, CASE c WHEN 'sms' THEN 'suppressed' ELSE 'planned' END, 'rule reminder', n.rule, n.template, n.priority, n.plan_key, n.due_at
		FROM notifications AS n CROSS JOIN unnest($2::text[]) AS c WHERE n.id = $1`, id, channels)
	return id
}

// states returns "channel state reason" of a notification's deliveries, and whether it still waits.
func states(t *testing.T, d *postgrestest.DB, notification uuid.UUID) (deliveries []string, waits bool) {
	t.Helper()
	rows, err := d.Owner.Query(t.Context(), `SELECT format('%s %s %s%s', channel, state, reason, ' ' || CASE WHEN not_before IS NOT NULL THEN 'later' END)
		FROM deliveries WHERE notification_id = $1 ORDER BY channel`, notification)
	require.NoError(t, err)
	deliveries, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NoError(t, d.Owner.QueryRow(t.Context(), `SELECT due_at IS NOT NULL FROM notifications WHERE id = $1 AND held_until = 'infinity'`, notification).Scan(&waits))
	return deliveries, waits
}

func TestAppend_RaisesACutOffThatOnlyRises(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	id := uuid.New()
	require.NoError(t, appendTo(t.Context(), d.App, cutting(id, "appointment.cancelled", 1)))
	require.Empty(t, cutoffs(t, d, id), "nothing is below the first version")
	moved := cutting(id, "appointment.rescheduled", 3)
	require.NoError(t, appendTo(t.Context(), d.App, moved))
	want := []cutoff{{3, "appointment.rescheduled", moved.ID}}
	require.Equal(t, want, cutoffs(t, d, id))
	for _, version := range []int64{2, 3} {
		require.NoError(t, appendTo(t.Context(), d.App, cutting(id, "appointment.cancelled", version)))
		require.Equal(t, want, cutoffs(t, d, id), "a lower or the same version changes nothing")
	}
	require.NoError(t, appendTo(t.Context(), d.App, cutting(id, "appointment.cancelled", 5), cutting(id, "appointment.completed", 4)))
	require.Equal(t, int64(5), cutoffs(t, d, id)[0].Version, "of two in one transaction the higher one counts")
}

func TestAppend_CancelsWhatWaitsBelowTheCutOffAndTellsIt(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	id := uuid.New()
	reminder := wait(t, d, id, 1, 1, "email", "push", "sms")
	inbox := wait(t, d, id, 2, 1)
	newer, other := wait(t, d, id, 3, 2, "email"), wait(t, d, uuid.New(), 4, 1, "email")
	cause := cutting(id, "appointment.cancelled", 2)
	require.NoError(t, appendTo(t.Context(), d.App, cause))

	deliveries, waits := states(t, d, reminder)
	require.Equal(t, []string{
		"email cancelled cut_off:appointment.cancelled", "push cancelled cut_off:appointment.cancelled", "sms suppressed rule reminder later",
	}, deliveries)
	require.False(t, waits)
	_, waits = states(t, d, inbox)
	require.False(t, waits)
	for _, kept := range []uuid.UUID{newer, other} {
		deliveries, waits = states(t, d, kept)
		require.Equal(t, []string{"email planned rule reminder later"}, deliveries)
		require.True(t, waits)
	}

	all := rows(t, d.Owner)
	require.Len(t, all, 3)
	require.Equal(t, cause.ID, all[0].EventID)
	told := map[string][]string{}
	for _, e := range all[1:] {
		require.Equal(t, "notification.cancelled", e.Type)
		require.Equal(t, "desk", e.ActorID)
		require.Equal(t, "request-7", *e.CorrelationID)
		var data event.Notification
		require.NoError(t, json.Unmarshal(e.Data, &data))
		require.Equal(t, data.UserID, *e.PersonID)
		require.Equal(t, "reminder", data.Rule)
		require.EqualValues(t, 4, data.RuleVersion)
		for _, c := range data.Channels {
			require.Equal(t, "cut_off:appointment.cancelled", c.Reason)
			told[e.Subject] = append(told[e.Subject], c.Channel+" "+c.State)
		}
	}
	require.ElementsMatch(t, []string{"email cancelled", "push cancelled"}, told["notification/"+reminder.String()])
	require.Equal(t, []string{"inapp cancelled"}, told["notification/"+inbox.String()])

	require.NoError(t, appendTo(t.Context(), d.App, cutting(id, "appointment.cancelled", 2)))
	require.Len(t, rows(t, d.Owner), 4, "the same cut-off again tells nothing more")
}

func TestAppend_RollsTheCutOffBackWithTheTransaction(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	id := uuid.New()
	reminder := wait(t, d, id, 1, 1, "email")
	err := postgres.InTx(t.Context(), d.App, func(tx pgx.Tx) error {
		require.NoError(t, outbox.Append(t.Context(), tx, cutting(id, "appointment.cancelled", 2)))
		return care.Errorf(care.Conflict, "changed my mind")
	})
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.Empty(t, cutoffs(t, d, id))
	_, waits := states(t, d, reminder)
	require.True(t, waits)
}

func TestAppend_RefusesACutOffWithoutAVersionOrInABatch(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	bare := anEvent()
	bare.CutsOff = true
	require.ErrorContains(t, appendTo(t.Context(), d.App, bare), "subject version: is required")
	w := outbox.NewWriter(d.App, outbox.NewWaker(d.App, quiet))
	err := w.InBatch(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(b *outbox.Batch) {
		b.Append(t.Context(), cutting(uuid.New(), "appointment.cancelled", 2))
	})
	require.ErrorContains(t, err, "must be appended in a transaction")
}

func TestApplyCutOffs_CancelsWhatWasPlannedWhileTheCutOffWasRaised(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	id := uuid.New()
	cause := cutting(id, "appointment.cancelled", 2)
	require.NoError(t, appendTo(t.Context(), d.App, cause))
	late := wait(t, d, id, 1, 1, "email")
	for range 2 {
		require.NoError(t, postgres.InTx(t.Context(), d.Worker, func(tx pgx.Tx) error {
			return outbox.ApplyCutOffs(t.Context(), tx, []*event.Event{&cause})
		}))
		deliveries, waits := states(t, d, late)
		require.Equal(t, []string{"email cancelled cut_off:appointment.cancelled"}, deliveries)
		require.False(t, waits)
		require.Len(t, rows(t, d.Owner), 2)
	}
}
