package ruletest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/rule"
	"carewire/internal/rule/ruletest"
)

// conditionCase is a row of the table in docs/events.md.
type conditionCase struct {
	condition, priority, result string
	notifies                    bool
	decision                    string
}

// documented reads the table of the section "A condition that fails".
func documented(t *testing.T) (all []conditionCase) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/events.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "### A condition that fails\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.ReplaceAll(line, "`", ""), "|")
		if len(cells) != 7 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[1] == "when" || cells[1] == "unless" {
			all = append(all, conditionCase{cells[1], cells[2], cells[3], cells[4] == "yes", cells[5]})
		}
	}
	return all
}

func TestConditions_NotifyAsTheDocumentedTable(t *testing.T) {
	t.Parallel()
	all := documented(t)
	require.Len(t, all, 12)
	// The version of the event is 1, so the last condition divides by zero on it.
	source := map[string]string{"true": "data.version == 1", "false": "data.version == 2", "fails": "1 / (data.version - 1) > 0"}
	for _, c := range all {
		priorities := []string{c.priority}
		if c.priority == "other" {
			priorities = []string{"high", "normal", "bulk"}
		}
		for _, priority := range priorities {
			require.Contains(t, source, c.result)
			when, unless := "", ""
			if c.condition == "when" {
				when = fmt.Sprintf(", when: %q", source[c.result])
			} else {
				unless = fmt.Sprintf(", unless: %q", source[c.result])
			}
			rules := fmt.Sprintf("rules: [{name: one, on: ehr.prescription.created, priority: %s, channels: [push], recipients: [{user: data.userId%s}]%s}]", priority, unless, when)
			plan := ruletest.Plan(t, []byte(rules), prescribed(), ruletest.People(ruletest.Person{Name: "ada", ID: id(3), Roles: []care.Role{care.Patient}}))
			name := fmt.Sprintf("%s %s of priority %s", c.condition, c.result, priority)
			require.Equal(t, c.notifies, len(plan.Notifications) == 1, name)
			var reasons []string
			for _, d := range plan.Decisions {
				reasons = append(reasons, d.Reason)
			}
			require.Equal(t, c.decision, strings.Join(reasons, ", "), name)
			var failures []rule.Failure
			if c.result == "fails" {
				failures = []rule.Failure{{Rule: "one", Condition: rule.Condition(c.condition), Cause: rule.CauseDivision}}
			}
			require.Equal(t, failures, plan.Failures, name)
		}
	}
}

func TestConditions_ThatFailNotifyNobodyWhoMayNotRead(t *testing.T) {
	t.Parallel()
	rules := `rules: [{name: one, on: ehr.prescription.created, priority: critical, channels: [push], when: 1 / (data.version - 1) > 0, recipients: [{role: [receptionist], unless: 1 / (data.version - 1) > 0}]}]`
	plan := ruletest.Plan(t, []byte(rules), prescribed(), ruletest.People(ruletest.Person{Name: "rea", ID: id(6), Roles: []care.Role{care.Receptionist}}))
	plan.Require(t, "- - not by one/when: condition_ignored", "rea - not by one/unless: condition_ignored", "rea - not by one: may_not_read")
}
