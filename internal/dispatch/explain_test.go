package dispatch_test

import (
	"fmt"
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
	"carewire/internal/postgres"
)

// commit appends the events and moves them into the ledger.
func (b *bundle) commit(events ...event.Event) {
	b.tb.Helper()
	ctx := b.tb.Context()
	require.NoError(b.tb, b.writer.InTx(ctx, care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, events...) }))
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: slog.New(slog.DiscardHandler)})
	for n := 1; n > 0; {
		var err error
		n, err = sequencer.Step(ctx)
		require.NoError(b.tb, err)
	}
}

// follow lets the planner follow the ledger to its end.
func (b *bundle) follow() {
	b.tb.Helper()
	follower := ledger.NewFollower(ledger.FollowerConfig{Name: dispatch.Follower, Pool: b.Worker, Handler: b.planner, Logger: slog.New(slog.DiscardHandler)})
	for n := 1; n > 0; {
		var err error
		n, err = follower.Step(b.tb.Context())
		require.NoError(b.tb, err)
	}
}

func (b *bundle) explain(e event.Event) dispatch.Explanation {
	b.tb.Helper()
	var x dispatch.Explanation
	operator := care.Actor{UserID: newID(), Memberships: []care.Membership{{Role: care.Operator}}}
	err := postgres.InTxAs(b.tb.Context(), b.App, operator, func(tx pgx.Tx) (err error) {
		x, err = dispatch.Explain(b.tb.Context(), tx, e.ID)
		return err
	})
	require.NoError(b.tb, err)
	require.Equal(b.tb, e.ID, x.EventID)
	require.Equal(b.tb, e.Type, x.Type)
	require.Equal(b.tb, e.Subject, x.Subject)
	return x
}

// said returns the decisions: "rule name channel state: reason".
func said(x dispatch.Explanation, names map[uuid.UUID]string) []string {
	var all []string
	for _, r := range x.Rules {
		for _, d := range r.Decisions {
			name := "-"
			if d.RecipientID != nil {
				name = names[*d.RecipientID]
			}
			all = append(all, fmt.Sprintf("%s %s %s %s: %s", r.Rule, name, d.Channel, d.State, d.Reason))
		}
	}
	return all
}

func TestExplain_TellsForEachRulePersonAndChannelWhatWasDecidedAndWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	names := map[uuid.UUID]string{patient: "pat", doctor: "doc"}
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, patient)
	_, err := b.publish("rules:\n" +
		aRule("a-urgent", "ehr.*.created", "    channels: [push]\n    priority: high\n") +
		aRule("b-common", "ehr.**", "    channels: [push, email]\n") +
		"  - name: c-staff\n    on: ehr.*.created\n    recipients: [{role: [nurse]}]\n    channels: [email]\n" +
		aRule("d-other", "billing.*", "    channels: [email]\n"))
	require.NoError(t, err)
	e := b.record("ehr.lab_report.created", patient, doctor)
	b.commit(e)
	b.follow()
	x := b.explain(e)
	require.Equal(t, dispatch.VerdictDecided, x.Verdict)
	require.Equal(t, int32(1), x.RuleVersion)
	require.Equal(t, []string{
		"a-urgent pat push queued: rule a-urgent",
		"b-common pat email suppressed: address_unverified",
		"b-common pat push not_sent: duplicate_of:a-urgent",
		"c-staff -  not_sent: nobody_in_role",
	}, said(x, names))
	require.NotNil(t, x.Rules[0].Decisions[0].DeliveryID)
	require.Nil(t, x.Rules[2].Decisions[0].DeliveryID)

	// It shows the current state.
	b.exec(`UPDATE deliveries SET state = 'failed', error_code = 'UNREGISTERED', attempt = 3 WHERE state = 'queued'`)
	now := b.explain(e).Rules[0].Decisions[0]
	require.Equal(t, []any{"failed", "UNREGISTERED", int32(3)}, []any{now.State, now.ErrorCode, now.Attempt})
}

func TestExplain_SaysWhyThereIsNothingToTell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	early := b.record("ehr.lab_report.created", patient, doctor)
	b.commit(early)
	_, err := b.publish(toPatient("ehr.*.created", "    channels: [push]\n"))
	require.NoError(t, err)
	unmatched, imported, forged := b.account("user.updated", patient, "phone"), b.record("ehr.lab_report.created", patient, doctor), b.published(99)
	imported.Imported = true
	b.commit(unmatched, imported, forged)
	require.Equal(t, dispatch.VerdictPending, b.explain(early).Verdict)
	b.follow()
	pending := b.record("ehr.lab_report.created", patient, doctor)
	b.commit(pending)

	require.Equal(t, dispatch.VerdictNoRules, b.explain(early).Verdict)
	require.Equal(t, dispatch.VerdictNoMatch, b.explain(unmatched).Verdict)
	require.Equal(t, dispatch.VerdictNotRuled, b.explain(forged).Verdict)
	require.Equal(t, dispatch.VerdictPending, b.explain(pending).Verdict)
	x := b.explain(imported)
	require.Equal(t, dispatch.VerdictNoMatch, x.Verdict)
	require.True(t, x.Imported)
	require.NotNil(t, x.Rules)
	b.exec(`INSERT INTO follower_failures (follower, position, event_id, error) VALUES ('dispatch', $1, $2, 'x')`, b.explain(unmatched).Position, unmatched.ID)
	require.Equal(t, dispatch.VerdictFailed, b.explain(unmatched).Verdict)

	_, err = dispatch.Explain(t.Context(), b.App, newID())
	require.Equal(t, care.NotFound, care.CodeOf(err))
}
