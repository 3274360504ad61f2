package httpapi

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/refusal"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// refusals is a signIns with a clock of its own, and one person.
type refusals struct {
	*signIns
	t      *testing.T
	db     *postgrestest.DB
	person uuid.UUID
	clock  time.Time
}

func newRefusals(t *testing.T) *refusals {
	t.Helper()
	r := &refusals{t: t, db: postgrestest.New(t), person: uuid.New(), clock: time.Now()}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	r.signIns, err = newSignIns(directory.New(outbox.NewWriter(r.db.App, outbox.NewWaker(r.db.App, quiet))), quiet)
	require.NoError(t, err)
	r.refusals.Now = func() time.Time { return r.clock }
	return r
}

func (r *refusals) refuse(times int, reason string) {
	r.t.Helper()
	for range times {
		require.NoError(r.t, r.refusals.Count(r.t.Context(), care.Command{}, refusalKey{r.person.String(), reason}, func() (uuid.UUID, bool, error) { return r.person, true, nil }))
	}
}

// counts returns the counts of the appended events.
func (r *refusals) counts() []int64 {
	r.t.Helper()
	rows, err := r.db.Owner.Query(r.t.Context(), `SELECT (data ->> 'count')::bigint FROM outbox WHERE type = 'user.sign_in_refused' ORDER BY id`)
	require.NoError(r.t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(r.t, err)
	return list
}

func TestSignIns_CountTheRefusalsOfAMinute(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	r.refuse(1000, "token_expired")
	r.refuse(1, "disabled")
	require.Equal(t, []int64{1, 1}, r.counts())
	r.refusals.Flush(t.Context(), r.clock)
	require.Equal(t, []int64{1, 1}, r.counts(), "the minute is not over")

	r.clock = r.clock.Add(refusal.Window)
	r.refuse(2, "token_expired")
	require.Equal(t, []int64{1, 1, 999, 1}, r.counts(), "the ended window, and the first of the next one")
	r.refusals.Flush(t.Context(), r.clock.Add(refusal.Window))
	require.Equal(t, []int64{1, 1, 999, 1, 1}, r.counts())
	require.Zero(t, r.refusals.Len())
}

func TestSignIns_BoundTheirMemory(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	unknown := func() (uuid.UUID, bool, error) { return uuid.Nil, false, nil }
	for i := range refusal.MaxWindows {
		require.NoError(t, r.refusals.Count(t.Context(), care.Command{}, refusalKey{strconv.Itoa(i), "token_expired"}, unknown))
	}
	require.Error(t, r.refusals.Count(t.Context(), care.Command{}, refusalKey{"one more", "token_expired"}, unknown))
	require.Equal(t, refusal.MaxWindows, r.refusals.Len())
	r.refusals.Flush(t.Context(), r.clock.Add(refusal.Window))
	require.Empty(t, r.counts())
	require.Zero(t, r.refusals.Len())
}
