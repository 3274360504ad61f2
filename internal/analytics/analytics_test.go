package analytics_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/analytics"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

var nine = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

// bundle is a database with the counter on its ledger.
type bundle struct {
	*postgrestest.DB
	t        *testing.T
	follower *ledger.Follower
	north    uuid.UUID
	south    uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{DB: postgrestest.New(t), t: t, north: uuid.MustParse("00000000-0000-7000-8000-000000000001"), south: uuid.MustParse("00000000-0000-7000-8000-000000000002")}
	b.follower = ledger.NewFollower(ledger.FollowerConfig{
		Name: analytics.Follower, Pool: b.Worker, Handler: analytics.New(), Logger: slog.New(slog.DiscardHandler), Batch: 3,
	})
	return b
}

// happened is an event of the type at the clinic, or of none.
func happened(typ string, at time.Time, clinic *uuid.UUID) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	d, _ := event.Lookup(typ)
	e := event.New(cmd, typ, care.Ref{Kind: "thing", ID: uuid.New()}, d.Payload).About(cmd, uuid.New(), clinic)
	e.Time = at
	return e
}

// commit appends the events, moves them into the ledger and runs the follower.
func (b *bundle) commit(events ...event.Event) {
	b.t.Helper()
	ctx := b.t.Context()
	require.NoError(b.t, postgres.InTx(ctx, b.App, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, events...) }))
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: slog.New(slog.DiscardHandler)})
	for _, step := range []func() (int, error){func() (int, error) { return sequencer.Step(ctx) }, func() (int, error) { return b.follower.Step(ctx) }} {
		for n := 1; n > 0; {
			var err error
			n, err = step()
			require.NoError(b.t, err)
		}
	}
}

// counts returns the counts of the filter: "clinic type hour count", the clinic by its last digit.
func (b *bundle) counts(f analytics.Filter) []string {
	b.t.Helper()
	if f.To.IsZero() {
		f.From, f.To = nine.Add(-24*time.Hour), nine.Add(24*time.Hour)
	}
	f.Limit = 100
	found, err := analytics.ListCounts(b.t.Context(), b.App, f)
	require.NoError(b.t, err)
	all := []string{}
	for _, c := range found {
		clinic := "-"
		if c.ClinicID != nil {
			clinic = c.ClinicID.String()[35:]
		}
		all = append(all, fmt.Sprintf("%s %s %s %d", clinic, c.Type, c.Hour.Format("02 15:04"), c.Count))
	}
	return all
}

func TestCounter_CountsEachEventOnceByClinicTypeAndHour(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.commit(
		happened("user.created", nine, &b.north),
		happened("user.created", nine.Add(time.Hour-time.Microsecond), &b.north),
		happened("user.created", nine.Add(time.Hour), &b.north),
		happened("user.updated", nine, &b.north),
		happened("user.created", nine.In(time.FixedZone("", 5*3600+1800)), &b.south),
		happened("user.created", nine, nil),
		happened("user.created", nine, nil),
	)
	b.commit(happened("user.created", nine, &b.north), happened("user.created", nine, nil))
	want := []string{
		"- user.created 14 09:00 3",
		"1 user.created 14 09:00 3",
		"1 user.updated 14 09:00 1",
		"2 user.created 14 09:00 1",
		"1 user.created 14 10:00 1",
	}
	require.Equal(t, want, b.counts(analytics.Filter{EveryClinic: true}))
	b.commit()
	require.Equal(t, want, b.counts(analytics.Filter{EveryClinic: true}), "nothing is counted again")

	var total, ledgered int
	require.NoError(t, b.Auditor.QueryRow(t.Context(), `SELECT sum(count), (SELECT count(*) FROM audit.events) FROM audit.event_counts`).Scan(&total, &ledgered))
	require.Equal(t, ledgered, total, "the auditor sees the counts of the whole ledger")
}

func TestListCounts_FiltersByClinicTypeAndTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.commit(
		happened("user.created", nine, &b.north), happened("user.updated", nine, &b.north), happened("device.removed", nine, &b.north),
		happened("user.created", nine, &b.south), happened("user.created", nine.Add(time.Hour), &b.south), happened("user.created", nine, nil),
	)
	require.Equal(t, []string{"2 user.created 14 09:00 1", "2 user.created 14 10:00 1"}, b.counts(analytics.Filter{Clinics: []uuid.UUID{b.south}}))
	require.Equal(t, []string{"2 user.created 14 09:00 1"}, b.counts(analytics.Filter{Clinics: []uuid.UUID{b.south}, From: nine, To: nine.Add(time.Hour)}), "to is not included")
	require.Equal(t, []string{"1 user.created 14 09:00 1", "1 user.updated 14 09:00 1"}, b.counts(analytics.Filter{Clinics: []uuid.UUID{b.north}, Type: "user.*"}))
	require.Equal(t, []string{"1 device.removed 14 09:00 1"}, b.counts(analytics.Filter{EveryClinic: true, Type: "device.removed"}))
	require.Empty(t, b.counts(analytics.Filter{}), "no clinic, no counts")
}
