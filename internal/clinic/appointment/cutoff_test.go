package appointment_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/postgres"
)

// cutoff returns the version and the cause of the appointment's cut-off; 0 and "" without one.
func (b *testBundle) cutoff(t *testing.T, id uuid.UUID) (version int64, cause string) {
	t.Helper()
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `
		SELECT coalesce(max(version), 0), coalesce(max(cause_type), '') FROM subject_cutoffs WHERE subject = $1`, "appointment/"+id.String()).Scan(&version, &cause))
	return version, cause
}

func TestTransition_CutsOffWhatItMakesUntrue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.always(t)
	slot := 0
	for _, c := range []struct {
		from       appointment.Status
		transition appointment.Transition
		cause      string
	}{
		{appointment.Requested, appointment.Book, ""},
		{appointment.Booked, appointment.Confirm, ""},
		{appointment.Booked, appointment.Reassign, ""},
		{appointment.Confirmed, appointment.Reschedule, "appointment.rescheduled"},
		{appointment.Confirmed, appointment.CheckIn, "appointment.checked_in"},
		{appointment.CheckedIn, appointment.Complete, "appointment.completed"},
		{appointment.Requested, appointment.Cancel, "appointment.cancelled"},
		{appointment.Booked, appointment.Cancel, "appointment.cancelled"},
		{appointment.Booked, appointment.Miss, "appointment.no_show"},
		{appointment.Completed, appointment.Reverse, "appointment.reversed"},
		{appointment.Cancelled, appointment.Reverse, "appointment.reversed"},
		{appointment.NoShow, appointment.Reverse, "appointment.reversed"},
	} {
		slot += 2
		a := b.at(t, c.from, slot)
		before, _ := b.cutoff(t, a.ID)
		moved, err := b.move(t, b.receptionist, a, c.transition, slot+1)
		require.NoError(t, err, "%s of %s", c.transition, c.from)
		version, cause := b.cutoff(t, a.ID)
		if c.cause == "" {
			require.Equal(t, before, version, "%s of %s", c.transition, c.from)
			continue
		}
		require.Equal(t, moved.Version, version, "%s of %s", c.transition, c.from)
		require.Equal(t, c.cause, cause)
	}
}

func TestImport_CutsOffSilently(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seed := care.Command{Actor: care.SystemActor("import"), Imported: true}
	in := appointment.Imported{ID: uuid.New(), Input: b.input(0), Status: appointment.Booked}
	load := func(in appointment.Imported) {
		require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, seed.Actor, func(tx pgx.Tx) error {
			refused, err := b.service.ImportTx(t.Context(), tx, seed, []appointment.Imported{in})
			require.Equal(t, []error{nil}, refused)
			return err
		}))
	}
	load(in)
	version, _ := b.cutoff(t, in.ID)
	require.Zero(t, version)
	in.Known, in.Slot = true, b.slot(1)
	load(in)
	version, cause := b.cutoff(t, in.ID)
	require.Equal(t, int64(2), version)
	require.Equal(t, "appointment.rescheduled", cause)
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, seed.Actor, func(tx pgx.Tx) error {
		refused, err := b.service.CancelImportedTx(t.Context(), tx, seed, in.ID)
		require.NoError(t, refused)
		return err
	}))
	version, cause = b.cutoff(t, in.ID)
	require.Equal(t, int64(3), version)
	require.Equal(t, "appointment.cancelled", cause)
	require.True(t, b.Last(t).Imported)
}
