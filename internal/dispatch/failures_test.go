package dispatch_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
)

func TestPlanner_CountsAndLogsConditionsThatFail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	version := b.rules("rules:\n" +
		aRule("poison", "user.updated", "    channels: [email]\n    when: has(data.changed) && data.changed[7] == 'x'\n") +
		aRule("urgent", "user.updated", "    channels: [email]\n    priority: critical\n    when: has(data.changed) && 1 / (size(data.changed) - 1) > 0\n"))
	var log bytes.Buffer
	counted := map[string]int{}
	b.planner = b.newPlanner(func(c *dispatch.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		c.ConditionFailed = func(rule, condition string) { counted[rule+" "+condition]++ }
	})
	patient := b.user("pat")
	bad, worse, good := b.account("user.updated", patient, "email"), b.account("user.updated", patient, "email"), b.account("user.updated", patient)
	b.handle(bad, worse, good)

	require.Equal(t, []string{"pat email queued critical: rule urgent"}, b.told(bad))
	require.Equal(t, []string{"poison - -: condition_failed", "urgent/when - -: condition_ignored"}, b.not(bad))
	require.Equal(t, map[string]int{"poison when": 2, "urgent when": 2}, counted)
	require.Equal(t, 2, strings.Count(log.String(), "a condition of a rule cannot be evaluated"), "once for each condition: %s", &log)
	require.Contains(t, log.String(), `"cause":"division_by_zero"`)
	require.NotContains(t, log.String(), "email")

	set, err := dispatch.AtVersion(t.Context(), b.App, version)
	require.NoError(t, err)
	require.Equal(t, int64(4), set.ConditionFailures)
	require.Len(t, set.FailedConditions, 2)
	for _, f := range set.FailedConditions {
		require.Equal(t, int64(2), f.Failures)
		require.Equal(t, worse.Position, f.LastPosition)
		require.Equal(t, map[string]string{"poison": "invalid_value", "urgent": "division_by_zero"}[f.Rule], f.Cause)
		require.Equal(t, "when", f.Condition)
	}
	b.handle(b.account("user.updated", patient, "email"))
	list, err := dispatch.Versions(t.Context(), b.App, 0, 10)
	require.NoError(t, err)
	require.Equal(t, int64(6), list[0].ConditionFailures)
	require.Empty(t, list[0].FailedConditions)

	b.rules("rules: []\n")
	list, err = dispatch.Versions(t.Context(), b.App, 0, 10)
	require.NoError(t, err)
	require.Zero(t, list[0].ConditionFailures, "a new version begins at 0")
	require.Equal(t, int64(6), list[1].ConditionFailures)
}

func TestPlanner_CountsAnUnlessOncePerEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	version := b.rules(`rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: int(recipient.id) > 0}], channels: [email]}]`)
	doctor, patient := b.user("doc", care.Doctor), b.user("pat")
	b.team(patient, doctor, b.user("dora", care.Doctor))
	e := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(e)
	require.Len(t, b.told(e), 2)
	set, err := dispatch.AtVersion(t.Context(), b.App, version)
	require.NoError(t, err)
	require.Len(t, set.FailedConditions, 1)
	require.Equal(t, int64(1), set.ConditionFailures)
	require.Equal(t, "unless", set.FailedConditions[0].Condition)
	require.Equal(t, "invalid_value", set.FailedConditions[0].Cause)
}
