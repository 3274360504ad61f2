package dispatch_test

import (
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/rule"
)

var _ ledger.Handler = (*dispatch.Planner)(nil)

func TestPlanner_FollowsTheLedgerFromTheWriteToTheJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	silent := slog.New(slog.DiscardHandler)
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: silent})
	follower := ledger.NewFollower(ledger.FollowerConfig{Name: "dispatch", Pool: b.Worker, Handler: b.planner, Logger: silent})
	drain := func() {
		for _, step := range []func() (int, error){func() (int, error) { return sequencer.Step(t.Context()) }, func() (int, error) { return follower.Step(t.Context()) }} {
			for n := 1; n > 0; {
				var err error
				n, err = step()
				require.NoError(t, err)
			}
		}
	}
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	unheard, heard := b.record("ehr.lab_report.created", patient, doctor), b.record("ehr.lab_report.created", patient, doctor)
	write := func(e event.Event) {
		require.NoError(t, b.writer.InTx(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, e) }))
	}
	write(unheard)
	_, err := b.publish(string(rule.Default()))
	require.NoError(t, err)
	forged := b.published(99)
	write(forged)
	write(heard)
	drain()
	drain() // The second time it skips the events that it appended itself.

	require.Empty(t, b.told(unheard), "it was written before the rules were in force")
	require.Len(t, b.jobs(heard), 4)
	require.Equal(t, []string{"notification.planned", "notification.planned"}, b.texts(`SELECT type FROM events WHERE cause_id = $1 ORDER BY position`, heard.ID))
	require.Equal(t, []string{forged.ID.String()}, b.texts(`SELECT event_id::text FROM follower_failures`), "a publication of a version that is not stored is skipped")
	require.Equal(t, int64(2), one[int64](b, `SELECT position FROM rule_publications`))
}

func TestDefaultRules_HaveTheirTemplates(t *testing.T) {
	t.Parallel()
	templates, err := template.Default()
	require.NoError(t, err)
	_, err = rule.Parse(rule.Default(), rule.Known{Channels: care.BuiltinChannels.Names(), Template: templates.Has})
	require.NoError(t, err)
}
