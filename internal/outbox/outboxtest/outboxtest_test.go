package outboxtest_test

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/outbox/outboxtest"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// failing is a test that is expected to fail, and records its messages.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails returns the assertion's message if it fails, or an empty string.
func fails(t *testing.T, assert func(tb testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert(f)
	}()
	<-done
	return f.said
}

var (
	user   = uuid.MustParse("00000000-0000-7000-8000-000000000001")
	clinic = uuid.MustParse("00000000-0000-7000-8000-000000000002")
	device = care.Ref{Kind: "device", ID: uuid.MustParse("00000000-0000-7000-8000-000000000003")}
)

func registered(platform string) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	return event.New(cmd, "device.registered", device, event.Device{DeviceID: device.ID, UserID: user, Platform: platform}).
		About(cmd, user, &clinic).AtVersion(1)
}

func TestRequire_SeesUncommittedEventsOfItsTransaction(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	changedMind := errors.New("changed my mind")
	err := postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error {
		outboxtest.RequireNone(t, tx, "device.registered")
		e := registered("ios")
		cause := uuid.New()
		e.CauseID = &cause
		require.NoError(t, outbox.Append(t.Context(), tx, e))
		got := outboxtest.Require(t, tx, "device.registered",
			outboxtest.Subject(device), outboxtest.Version(1), outboxtest.Person(user), outboxtest.Clinic(clinic), outboxtest.Actor("system:test"),
			outboxtest.Cause(cause), outboxtest.Data(map[string]any{"platform": "ios", "userId": user}),
			outboxtest.Data(event.Device{DeviceID: device.ID, UserID: user, Platform: "ios"}),
			outboxtest.That(func(e event.Event) string { return "" }))
		require.Equal(t, e.ID, got.ID)
		require.JSONEq(t, string(e.Data), string(got.Data))
		outboxtest.RequireNone(t, db.Worker, "device.registered")

		var role string
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT current_user").Scan(&role))
		require.Equal(t, string(postgres.App), role, "the transaction is as it was")
		return changedMind
	})
	require.ErrorIs(t, err, changedMind)
	outboxtest.RequireNone(t, db.App, "device.registered")
}

func TestRequire_SeesEventsOfTheLedgerToo(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	appendAll := func(events ...event.Event) {
		require.NoError(t, postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, events...) }))
	}
	appendAll(registered("ios"), registered("android"))
	_, err := ledger.NewSequencer(ledger.SequencerConfig{Pool: db.Worker, Logger: slog.New(slog.DiscardHandler)}).Step(t.Context())
	require.NoError(t, err)
	appendAll(registered("web"))
	var platforms []string
	for _, e := range outboxtest.RequireCount(t, db.App, 3, "device.registered") {
		data, err := e.Decode()
		require.NoError(t, err)
		platforms = append(platforms, data.(event.Device).Platform)
	}
	require.Equal(t, []string{"ios", "android", "web"}, platforms)
	require.Len(t, outboxtest.Appended(t, db.App), 3)
}

func TestRequire_ListsTheAppendedEventsOnFailure(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	other := care.Ref{Kind: "device", ID: uuid.New()}
	cmd := care.Command{Actor: care.SystemActor("test")}
	updated := event.New(cmd, "user.updated", care.Ref{Kind: "user", ID: user}, event.User{UserID: user})
	require.Equal(t, "device.registered: wanted 1, but 0 were appended. Nothing was appended at all.",
		fails(t, func(tb testing.TB) {
			tb.Helper()
			outboxtest.Require(tb, db.App, "device.registered")
		}))
	require.NoError(t, postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error {
		return outbox.Append(t.Context(), tx, registered("ios"), updated)
	}))
	for name, c := range map[string]struct {
		assert func(tb testing.TB)
		says   []string
	}{
		"another subject": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.registered", outboxtest.Subject(other))
			},
			[]string{"wanted 1, but 0", "differs (-wanted +appended)", "-", other.String(), "+", device.String(), "user.updated user/" + user.String()},
		},
		"other data": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.registered", outboxtest.Data(map[string]any{"platform": "android", "userId": user}))
			},
			[]string{`data.platform: "android"`, `data.platform: "ios"`},
		},
		"a field that is not there": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.registered", outboxtest.Data(map[string]any{"reason": "unregistered"}))
			},
			[]string{`data.reason: "unregistered"`},
		},
		"a check": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.registered", outboxtest.That(func(event.Event) string { return "the moon is full" }))
			},
			[]string{"the moon is full"},
		},
		"another version": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.registered", outboxtest.Version(2))
			},
			[]string{`subjectversion: 2`, `subjectversion: 1`},
		},
		"too many": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.RequireNone(tb, db.App, "device.registered", outboxtest.Subject(device))
			},
			[]string{"wanted 0, but 1", device.String()},
		},
		"too few": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.RequireCount(tb, db.App, 2, "device.registered")
			},
			[]string{"wanted 2, but 1"},
		},
		"another type": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.Require(tb, db.App, "device.removed")
			},
			[]string{"wanted 1, but 0", "device.registered device/", "user.updated user/"},
		},
		"a type that there is not": {
			func(tb testing.TB) {
				tb.Helper()
				outboxtest.RequireNone(tb, db.App, "device.exploded")
			},
			[]string{"not in the event catalog"},
		},
	} {
		said := fails(t, c.assert)
		for _, text := range c.says {
			require.Contains(t, said, text, name)
		}
	}
}
