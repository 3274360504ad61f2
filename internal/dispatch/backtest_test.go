package dispatch_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/rule"
)

// append appends the events to the outbox.
func (b *bundle) append(events ...event.Event) {
	b.tb.Helper()
	require.NoError(b.tb, b.writer.InTx(b.tb.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error {
		return outbox.Append(b.tb.Context(), tx, events...)
	}))
}

// drain moves the outbox to the ledger, and plans the events there.
func (b *bundle) drain() {
	b.tb.Helper()
	silent := slog.New(slog.DiscardHandler)
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: silent})
	follower := ledger.NewFollower(ledger.FollowerConfig{Name: dispatch.Follower, Pool: b.Worker, Handler: b.planner, Logger: silent})
	for _, step := range []func(context.Context) (int, error){sequencer.Step, follower.Step} {
		for n := 1; n > 0; {
			var err error
			n, err = step(b.tb.Context())
			require.NoError(b.tb, err)
		}
	}
}

// numbers returns the numbers of a query's result.
func numbers(b *bundle, sql string) []int64 {
	b.tb.Helper()
	rows, err := b.Owner.Query(b.tb.Context(), sql)
	require.NoError(b.tb, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(b.tb, err)
	return all
}

// inForce publishes a set through the ledger.
func (b *bundle) inForce(src string) {
	b.tb.Helper()
	_, err := b.publish(src)
	require.NoError(b.tb, err)
	b.drain()
}

func (b *bundle) backtest(in dispatch.BacktestRequest) dispatch.Backtest {
	b.tb.Helper()
	if in.Limit == 0 {
		in.Limit = 100
	}
	result, err := b.planner.Backtest(b.tb.Context(), b.Worker, in, known, nil)
	require.NoError(b.tb, err)
	return result
}

// changes returns the listed differences: "change name channel rule: before > after", sorted as listed. A message is its
// reason, and its priority and template if it is sent.
func (b *bundle) changes(result dispatch.Backtest) []string {
	b.tb.Helper()
	text := func(m dispatch.BacktestMessage) string {
		if !m.Sent {
			return "not " + m.Reason
		}
		return strings.TrimSpace(m.Reason + " " + m.Priority + " " + m.Template)
	}
	var lines []string
	for _, d := range result.Differences {
		name := one[string](b, `SELECT given_name FROM users WHERE id = $1`, d.RecipientID)
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s > %s", d.Change, name, d.Channel, d.Rule(), text(d.Before), text(d.After)))
	}
	return lines
}

// backtestRules are rules with every kind of recipient.
const backtestRules = `
rules:
  - {name: report, on: ehr.*.created, when: data.released, recipients: [{user: data.userId}, {user: data.doctorId, unless: recipient.id == event.actorid}, {careTeam: [nurse]}], channels: [push, email], fallback: [sms]}
  - {name: also, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.id == event.actorid}], channels: [email, whatsapp], priority: bulk}
  - {name: critical, on: ehr.*.critical, recipients: [{user: data.doctorId, unless: recipient.id == event.actorid}], channels: [email], priority: critical}
  - {name: history, on: ehr.*.updated, imported: true, recipients: [{user: data.userId}], channels: [email]}
  - {name: account, on: user.updated, recipients: [{user: data.userId}], channels: [email], priority: high}
`

// history fills the ledger with events of each kind, and plans them with backtestRules.
func (b *bundle) history() {
	b.tb.Helper()
	b.append(b.account("user.updated", b.user("early")))
	b.drain()
	b.inForce(backtestRules)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	other, nurse, bare := b.user("other", care.Doctor), b.user("nurse", care.Nurse), b.user("bare", care.Patient)
	b.team(patient, nurse, doctor, other)
	b.exec(`DELETE FROM devices WHERE user_id = $1`, bare)
	b.exec(`UPDATE users SET phone = '+15550100009', phone_verified = true WHERE id = $1`, bare)
	b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'push', 'off')`, nurse)

	imported := b.record("ehr.lab_report.updated", patient, doctor)
	imported.Imported = true
	late := b.record("ehr.lab_report.created", patient, doctor)
	late.Time = late.Time.Add(-48 * time.Hour)
	held := b.record("ehr.lab_report.created", patient, doctor)
	record, _ := event.SubjectID(held.Subject)
	held.Data = []byte(strings.Replace(string(held.Data), `"held":false`, `"held":true`, 1))
	b.heldRecord(record, patient, doctor)
	b.append(b.record("ehr.lab_report.created", patient, doctor), b.record("ehr.lab_report.created", bare, doctor), imported, late, held,
		b.record("ehr.lab_report.critical", patient, doctor), b.account("user.updated", patient), b.account("user.updated", newID()))
	b.drain()
}

// heldRecord stores a record that is held from its patient.
func (b *bundle) heldRecord(id, patient, doctor uuid.UUID) {
	b.tb.Helper()
	b.exec(`INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by,
			updated_at, updated_by, held_until)
		VALUES ($1, 'lab_report', 1, 'final', $2, $3, $4, 's', 'c', now(), '{}', now(), 'test', now(), 'test', now() + interval '1 hour')`, id, patient, b.clinic, doctor)
}

func TestBacktest_OfTheRulesInForceFindsNoDifference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.history()
	reasons := b.texts(`SELECT DISTINCT split_part(reason, ' ', 1) FROM deliveries ORDER BY 1`)
	require.Equal(t, []string{"awaiting_review", "channel_not_configured", "fallback", "fallback_care_team,", "no_address", "preference_off", "rule", "too_late"}, reasons)
	since := one[int64](b, `SELECT position + 1 FROM rule_publications`)
	result := b.backtest(dispatch.BacktestRequest{Source: backtestRules, From: dispatch.Bound{Position: since}})
	require.Empty(t, b.changes(result))
	require.Empty(t, result.Groups)
	require.Equal(t, int64(8), result.Summary.Events)
	require.Equal(t, int64(8), result.Summary.Matched)
	require.Positive(t, result.Summary.Same)
	require.Equal(t, result.Summary.Same, result.Summary.MessagesBefore)
	require.Equal(t, result.Summary.Same, result.Summary.MessagesAfter)

	// What happens to a message afterwards is not a difference.
	b.exec(`UPDATE deliveries SET state = 'failed' WHERE state = 'queued' AND channel = 'push'`)
	b.exec(`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority, fallback)
		SELECT gen_random_uuid(), event_position, notification_id, event_id, recipient_id, 'sms', 'queued', 'fallback for push, rule ' || rule, rule, template, priority, '{}'
		FROM deliveries WHERE channel = 'push' AND state = 'failed'`)
	b.exec(`UPDATE deliveries SET state = 'suppressed', reason = 'retracted_before_review' WHERE state = 'planned'`)
	b.exec(`UPDATE notifications SET held_until = 'infinity' WHERE held_until IS NOT NULL`)
	after := b.backtest(dispatch.BacktestRequest{Source: backtestRules, From: dispatch.Bound{Position: since}})
	require.Empty(t, b.changes(after))
	require.Equal(t, result.Summary, after.Summary)
}

func TestBacktest_ShowsExactlyWhatADraftChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inForce("rules:\n" + aRule("one", "ehr.*.created", "    channels: [push, email]\n") + aRule("two", "user.updated", "    channels: [email]\n"))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.append(b.record("ehr.lab_report.created", patient, doctor), b.account("user.updated", patient))
	b.drain()
	const same = "rules:\n"
	first, second := aRule("one", "ehr.*.created", "    channels: [push, email]\n"), aRule("two", "user.updated", "    channels: [email]\n")
	for _, c := range []struct {
		name, draft          string
		changes              []string
		before, after, equal int64
	}{
		{"the same rules", same + first + second, nil, 5, 5, 5},
		{"a rule is removed", same + first, []string{
			"removed pat inapp two: normal account > not ", "removed pat email two: rule two normal account > not ",
		}, 5, 3, 3},
		{"a rule is added", same + first + second + "  - {name: three, on: ehr.*.created, recipients: [user: data.doctorId], channels: [email]}\n", []string{
			"added doc inapp three: not  > normal clinical", "added doc email three: not  > rule three normal clinical",
		}, 5, 7, 5},
		{"a channel is replaced", same + aRule("one", "ehr.*.created", "    channels: [push]\n    fallback: [email]\n") + second, []string{
			"removed pat email one: rule one normal clinical > not ",
		}, 5, 4, 4},
		{"a channel cannot be used", same + aRule("one", "ehr.*.created", "    channels: [push, email, sms]\n") + second, nil, 5, 5, 5},
		{"the priority changes", same + first + aRule("two", "user.updated", "    channels: [email]\n    priority: high\n"), []string{
			"changed pat inapp two: normal account > high account", "changed pat email two: rule two normal account > rule two high account",
		}, 5, 5, 3},
		{"the template changes", same + first + aRule("two", "user.updated", "    channels: [email]\n    template: billing\n"), []string{
			"changed pat inapp two: normal account > normal billing", "changed pat email two: rule two normal account > rule two normal billing",
		}, 5, 5, 3},
		{"a rule has another name", same + strings.Replace(first, "one", "uno", 1) + second, nil, 5, 5, 5},
		{"a person is left out", same + strings.Replace(first, "{user: data.userId}", "{user: data.userId, unless: 'true'}", 1) + second, []string{
			"removed pat inapp one: normal clinical > not unless", "removed pat push one: rule one normal clinical > not unless", "removed pat email one: rule one normal clinical > not unless",
		}, 5, 2, 2},
	} {
		result := b.backtest(dispatch.BacktestRequest{Source: c.draft})
		require.ElementsMatch(t, c.changes, b.changes(result), c.name)
		s := result.Summary
		require.Equal(t, []int64{c.before, c.after, c.equal}, []int64{s.MessagesBefore, s.MessagesAfter, s.Same}, c.name)
		require.Equal(t, int64(len(c.changes)), s.Differences(), c.name)
		require.False(t, s.Partial)
	}
}

func TestBacktest_SaysWhyNothingWasSentBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inForce("rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.id == event.actorid}, {user: data.userId}], channels: [push]}]")
	patient, doctor := b.user("pat"), b.user("doc", care.Doctor)
	b.exec(`DELETE FROM devices WHERE user_id = $1`, patient)
	b.append(b.record("ehr.lab_report.created", patient, doctor))
	b.drain()
	b.exec(`INSERT INTO devices (id, user_id, platform, token) VALUES ($1, $2, 'ios', 'new')`, newID(), patient)
	result := b.backtest(dispatch.BacktestRequest{Source: "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor]}, {user: data.userId}], channels: [push]}]"})
	require.Equal(t, []string{
		"added doc inapp one: not unless > normal clinical", "added doc push one: not unless > rule one normal clinical",
		"added pat push one: not no_address > rule one normal clinical",
	}, b.changes(result))
}

func TestBacktest_WritesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.history()
	count := func() (rows []int) {
		for _, table := range []string{"notifications", "deliveries", "decisions", "outbox", "events", "river.river_job", "rule_sets", "rule_publications", "rule_failures", "follower_failures"} {
			rows = append(rows, one[int](b, `SELECT count(*)::integer FROM `+table))
		}
		return rows
	}
	before := count()
	position := one[string](b, `SELECT position || ' ' || updated_at FROM followers`)
	result := b.backtest(dispatch.BacktestRequest{Source: string(rule.Default())})
	require.NotEmpty(t, result.Differences)
	require.Equal(t, before, count())
	require.Equal(t, position, one[string](b, `SELECT position || ' ' || updated_at FROM followers`))
}

func TestBacktest_ListsAtMostTheLimitAndCountsAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.history()
	all := b.backtest(dispatch.BacktestRequest{Source: "rules: []"})
	require.Greater(t, len(all.Differences), 3)
	require.Zero(t, all.Summary.Unlisted)
	some := b.backtest(dispatch.BacktestRequest{Source: "rules: []", Limit: 3})
	require.Equal(t, all.Differences[:3], some.Differences)
	require.Equal(t, all.Groups, some.Groups)
	require.Equal(t, all.Summary.Differences(), 3+some.Summary.Unlisted)
	var counted int64
	for _, group := range some.Groups {
		counted += group.Count
	}
	require.Equal(t, some.Summary.Removed, counted)
}

func TestBacktest_ComparesOnlyTheGivenPart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inForce(toPatient("user.updated", "    channels: [email]\n"))
	patient := b.user("pat")
	b.append(b.account("user.updated", patient))
	b.drain()
	middle := one[time.Time](b, `SELECT clock_timestamp()`)
	b.append(b.account("user.updated", patient))
	b.drain()
	positions := numbers(b, `SELECT position FROM events WHERE type = 'user.updated' ORDER BY position`)
	first, second := positions[0], positions[1]
	at := func(position int64) dispatch.Bound { return dispatch.Bound{Position: position} }
	for _, c := range []struct {
		name     string
		from, to dispatch.Bound
		want     []int64 // The positions with differences.
	}{
		{"by default", dispatch.Bound{}, dispatch.Bound{}, []int64{first, second}},
		{"from a position", at(second), dispatch.Bound{}, []int64{second}},
		{"to a position", dispatch.Bound{}, at(first), []int64{first}},
		{"one event", at(first), at(first), []int64{first}},
		{"from a time", dispatch.Bound{Time: middle}, dispatch.Bound{}, []int64{second}},
		{"to a time", dispatch.Bound{}, dispatch.Bound{Time: middle}, []int64{first}},
		{"between times", dispatch.Bound{Time: middle.Add(-time.Hour)}, dispatch.Bound{Time: middle.Add(time.Hour)}, []int64{first, second}},
		{"beyond the end", at(100_000), dispatch.Bound{}, nil},
		{"a time without events", dispatch.Bound{Time: middle.Add(-2 * time.Hour)}, dispatch.Bound{Time: middle.Add(-time.Hour)}, nil},
	} {
		result := b.backtest(dispatch.BacktestRequest{Source: "rules: []", From: c.from, To: c.to})
		var got []int64
		for _, d := range result.Differences {
			if d.Channel == "email" {
				got = append(got, d.Position)
			}
		}
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, int64(len(c.want)), result.Summary.Events, c.name)
	}

	// The planner has not planned these yet.
	b.append(b.account("user.updated", patient))
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: slog.New(slog.DiscardHandler)})
	_, err := sequencer.Step(t.Context())
	require.NoError(t, err)
	result := b.backtest(dispatch.BacktestRequest{Source: toPatient("user.updated", "    channels: [email]\n"), To: at(100_000)})
	require.Empty(t, result.Differences)
	require.Equal(t, one[int64](b, `SELECT position FROM followers`), result.Summary.To)
}

func TestBacktest_RefusesWhatItCannotCompare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const none = "rules: []"
	for _, c := range []struct {
		in    dispatch.BacktestRequest
		field string
	}{
		{dispatch.BacktestRequest{Source: "rules: [{name: one, on: user.created, recipients: [user: data.userId], channels: [fax]}]"}, "channels"},
		{dispatch.BacktestRequest{Source: none, From: dispatch.Bound{Position: 2}, To: dispatch.Bound{Position: 1}}, "from"},
		{dispatch.BacktestRequest{Source: none, From: dispatch.Bound{Time: time.Now()}, To: dispatch.Bound{Time: time.Now().Add(-time.Second)}}, "from"},
		{dispatch.BacktestRequest{Source: none, From: dispatch.Bound{Position: 2}, To: dispatch.Bound{Time: time.Now().Add(-time.Hour)}}, "from"},
		{dispatch.BacktestRequest{Source: none, From: dispatch.Bound{Position: -1}}, "from"},
		{dispatch.BacktestRequest{Source: none, To: dispatch.Bound{Position: -1}}, "to"},
		{dispatch.BacktestRequest{Source: none, Limit: -1}, "limit"},
	} {
		_, err := b.planner.Backtest(t.Context(), b.Worker, c.in, known, nil)
		clinictest.RequireCode(t, err, care.Invalid, c.field)
	}
	result := b.backtest(dispatch.BacktestRequest{Source: none})
	require.Zero(t, result.Summary.Events, "the ledger is empty")
	require.NotNil(t, result.Differences)
	require.NotNil(t, result.Groups)
}

func TestBacktest_ReturnsWhatItHasIfItIsInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inForce(toPatient("user.updated", "    channels: [email]\n"))
	const events = 9000 // Three pages.
	patient := b.user("pat")
	batch := make([]event.Event, events)
	for i := range batch {
		batch[i] = b.account("user.updated", patient)
	}
	b.append(batch...)
	b.drain()
	whole := b.backtest(dispatch.BacktestRequest{Source: "rules: []"})
	require.Equal(t, int64(2*events), whole.Summary.Removed)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last dispatch.BacktestProgress
	part, err := b.planner.Backtest(ctx, b.Worker, dispatch.BacktestRequest{Source: "rules: []", Limit: 1}, known, func(p dispatch.BacktestProgress) {
		last = p
		cancel()
	})
	require.NoError(t, err)
	require.True(t, part.Summary.Partial)
	require.Less(t, last.Done, last.Total)
	require.Equal(t, part.Summary.From+last.Done-1, part.Summary.To)
	require.Less(t, part.Summary.Events, int64(events))
	require.Equal(t, 2*part.Summary.Events, part.Summary.Removed)
}
