package ehr_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
)

// cutoffs returns "version cause" of the cut-offs of a record.
func (b *testBundle) cutoffs(t *testing.T, id uuid.UUID) []string {
	t.Helper()
	rows, err := b.db.Owner.Query(t.Context(), `SELECT version || ' ' || cause_type FROM subject_cutoffs WHERE subject = $1`, "lab_report/"+id.String())
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

func TestRetract_CutsOffWhatWasAnnouncedOfTheRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	r.Body.Status = "amended"
	amended, err := b.reports.Amend(t.Context(), by(b.doctor), r.ID, 1, "A slip.", r.Body)
	require.NoError(t, err)
	require.Empty(t, b.cutoffs(t, r.ID), "there is still a report to read")
	_, err = b.reports.Retract(t.Context(), by(b.doctor), r.ID, amended.Version, "Another patient's.")
	require.NoError(t, err)
	require.Equal(t, []string{"3 ehr.lab_report.retracted"}, b.cutoffs(t, r.ID))
}

func TestUpdate_ToEnteredInErrorCutsOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.draft(t)
	r.Body.Status = "entered-in-error"
	_, err := b.reports.Update(t.Context(), by(b.doctor), r.ID, r.Version, r.Body)
	require.NoError(t, err)
	require.Equal(t, []string{"2 ehr.lab_report.retracted"}, b.cutoffs(t, r.ID))
}

func TestRetractImported_CutsOffSilently(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	system := care.Command{Actor: care.SystemActor("import"), Imported: true}
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, system.Actor, func(tx pgx.Tx) error {
		refused, err := b.reports.RetractImportedTx(t.Context(), tx, system, r.ID, "Deleted.")
		require.NoError(t, refused)
		return err
	}))
	require.Equal(t, []string{"2 ehr.lab_report.retracted"}, b.cutoffs(t, r.ID))
	require.True(t, b.Last(t).Imported)
}
