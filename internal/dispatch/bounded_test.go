package dispatch_test

import (
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
)

var _ ledger.PartialHandler = (*dispatch.Planner)(nil)

const staff = 3000

// staffed is a clinic with so many nurses, some of them without an address that is proved.
func staffed(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.exec(`INSERT INTO users (id, email, email_verified, given_name, family_name)
		SELECT gen_random_uuid(), 'nurse' || i || '@clinic.example', i % 100 <> 0, 'nurse' || i, 'Fam' FROM generate_series(1, $1) AS i`, staff)
	b.exec(`INSERT INTO devices (id, user_id, platform, token) SELECT gen_random_uuid(), id, 'ios', 'token-' || id FROM users`)
	b.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), id, $1, 'nurse' FROM users`, b.clinic)
	b.exec(`ANALYZE users, devices, memberships`)
	return b
}

// follower moves what was written into the ledger and returns the planner's follower.
func (b *bundle) follower(t *testing.T) *ledger.Follower {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: silent})
	for n := 1; n > 0; {
		var err error
		n, err = sequencer.Step(t.Context())
		require.NoError(t, err)
	}
	return ledger.NewFollower(ledger.FollowerConfig{Name: "dispatch", Pool: b.Worker, Handler: b.planner, Logger: silent})
}

func (b *bundle) write(t *testing.T, events ...event.Event) {
	t.Helper()
	require.NoError(t, b.writer.InTx(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error {
		return outbox.Append(t.Context(), tx, events...)
	}))
}

// mostRows is how many rows the largest transaction planned.
const mostRows = `SELECT max(n) FROM (
	SELECT sum(n) AS n FROM (
		SELECT xmin::text AS tx, count(*) AS n FROM notifications GROUP BY 1
		UNION ALL SELECT xmin::text, count(*) FROM deliveries GROUP BY 1
		UNION ALL SELECT xmin::text, count(*) FROM decisions GROUP BY 1
		UNION ALL SELECT xmin::text, count(*) FROM river.river_job GROUP BY 1
	) AS each_table GROUP BY tx
) AS each_tx`

func TestPlanner_WritesOneLargeEventInSeveralTransactionsAndTellsEachPersonOnce(t *testing.T) {
	t.Parallel()
	b := staffed(t)
	doctor := b.user("doc", care.Doctor)
	b.exec(`INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT $1, $2, user_id FROM memberships WHERE role = 'nurse'`, doctor, b.clinic)
	version, err := b.publish("rules:\n  - {name: all, on: ehr.*.created, recipients: [{role: [nurse]}, {user: data.doctorId}], channels: [push, email]}\n" +
		"  - {name: again, on: ehr.*.created, recipients: [{role: [nurse], unless: recipient.role == 'nurse'}, {user: data.doctorId}], channels: [email]}\n")
	require.NoError(t, err)
	require.Equal(t, int32(1), version)
	large := []event.Event{b.record("ehr.lab_report.created", doctor, doctor), b.record("ehr.lab_report.created", doctor, doctor)}
	small := b.account("user.updated", doctor)
	b.write(t, large[0], small, large[1])
	follower := b.follower(t)
	for n := 1; n > 0; {
		n, err = follower.Step(t.Context())
		require.NoError(t, err)
	}

	for _, e := range large {
		require.Equal(t, int64(staff+1), one[int64](b, `SELECT count(*) FROM notifications WHERE event_id = $1`, e.ID))
		require.Equal(t, int64(2*(staff+1)), one[int64](b, `SELECT count(*) FROM deliveries WHERE event_id = $1`, e.ID))
		require.Equal(t, int64(staff+1), one[int64](b, `SELECT count(*) FROM decisions WHERE event_id = $1`, e.ID))
		require.Equal(t, int64(staff+1), one[int64](b, `SELECT count(*) FROM outbox WHERE cause_id = $1`, e.ID), "one announcement each")
		told := b.texts(`SELECT recipient_id::text FROM notifications WHERE event_id = $1 ORDER BY id`, e.ID)
		nurses := b.texts(`SELECT user_id::text FROM memberships WHERE role = 'nurse' ORDER BY user_id`)
		require.Equal(t, append(nurses, doctor.String()), told, "in the order in which they would be told at once")
	}
	require.Equal(t, one[int64](b, `SELECT count(*) FROM deliveries WHERE state = 'queued'`), one[int64](b, `SELECT count(*) FROM river.river_job WHERE kind = 'delivery'`))
	require.LessOrEqual(t, one[int64](b, mostRows), int64(5000))
	require.GreaterOrEqual(t, one[int64](b, `SELECT count(DISTINCT xmin::text) FROM notifications`), int64(6))

	// Once more, from the beginning: nothing is added.
	b.exec(`UPDATE followers SET position = 0`)
	for n := 1; n > 0; {
		n, err = follower.Step(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, int64(2*(staff+1)), one[int64](b, `SELECT count(*) FROM notifications`))
	require.Equal(t, int64(2*(staff+1)), one[int64](b, `SELECT count(*) FROM decisions`))
	require.Equal(t, int64(2*(staff+1)), one[int64](b, `SELECT count(*) FROM outbox`))
}

func TestPlanner_BoundsWhatManyEventsComeToInOneTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.user("doc", care.Doctor)
	for range 40 {
		b.team(doctor, b.user("nurse"+newID().String(), care.Nurse))
	}
	_, err := b.publish("rules: [{name: all, on: ehr.*.created, recipients: [{role: [nurse]}], channels: [push, email]}]")
	require.NoError(t, err)
	var events []event.Event
	for range 60 {
		events = append(events, b.record("ehr.lab_report.created", doctor, doctor))
	}
	b.write(t, events...)
	follower := b.follower(t)
	n, err := follower.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, 26, n, "the publication, and 25 events of 200 rows each")
	for n > 0 {
		n, err = follower.Step(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, int64(60*40), one[int64](b, `SELECT count(*) FROM notifications`))
	require.Equal(t, int64(5000), one[int64](b, mostRows))
}

func TestPlanner_LooksUpTheRolesOfManyClinicsInTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.user("doc", care.Doctor)
	_, err := b.publish("rules: [{name: all, on: ehr.*.created, recipients: [{role: [nurse, doctor]}], channels: [email]}]")
	require.NoError(t, err)
	var events []event.Event
	for range 40 {
		b.clinic = newID()
		b.exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'North', 'UTC')`, b.clinic)
		b.team(doctor, b.user("nurse"+newID().String(), care.Nurse))
		events = append(events, b.record("ehr.lab_report.created", doctor, doctor))
	}
	b.write(t, events...)
	_, err = b.follower(t).Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(40), one[int64](b, `SELECT count(DISTINCT event_id) FROM notifications`))
	var ids []uuid.UUID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	require.Equal(t, int64(40), one[int64](b, `SELECT count(*) FROM deliveries WHERE event_id = ANY($1)`, ids))
}
