package rule_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/rule"
)

func TestParse_RejectsConditionsThatCanOnlyFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ on, when, message string }{
		{"ehr.**", "event.time.getHours('Europe/Berlln') < 8", `unknown time zone "Europe/Berlln" in getHours`},
		{"ehr.**", "event.time.getDayOfWeek('Local') < 6", `unknown time zone "Local"`},
		{"ehr.**", "event.time.getHours('+99:00') < 8", `unknown time zone "+99:00"`},
		{"ehr.**", "data.version / 0 > 1", "division by zero"},
		{"ehr.**", "data.version % 0 == 1", "division by zero"},
		{"ehr.**", "1 / 0 > 1", "division by zero"},
		{"ehr.**", "data.status > 3", "no matching overload"},
		{"ehr.**", "data.version == 'final'", "no matching overload"},
		{"ehr.**", "data.status in [1, 2]", "no matching overload"},
		{"ehr.**", "data.status.length > 3", "does not support field selection"},
		{"ehr.**", "data.status.startsWith(data.version)", "no matching overload"},
		{"ehr.**", "data['status'] > 3", "mixes values of different types on ehr."},
		{"ehr.**", "dyn(data.status) > 3", "mixes values of different types on ehr."},
		{"ehr.**", "int('many') > 3", "type conversion error"},
		{"ehr.**", "event.clinicid == '0190A1B2-0000-7000-8000-00000000000C'", `write "0190a1b2-0000-7000-8000-00000000000c" in lower case`},
		{"user.updated", "has(data.changed) && data.changed[0] > 1", "no matching overload"},
	} {
		errs := refused(t, one(c.on, "    when: \""+c.when+"\"\n"))
		require.Len(t, errs, 1, c.when)
		require.Contains(t, errs[0].Error(), c.message, c.when)
		require.Contains(t, errs[0].Error(), "when: ", c.when)
		require.NotContains(t, errs[0].Message, "\n", c.when)
		_, err := rule.Load([]byte(one(c.on, "    when: \""+c.when+"\"\n")), known)
		if !strings.HasPrefix(c.when, "int(") {
			require.NoError(t, err, "a set in force keeps working: %s", c.when)
		}
	}
}

func TestParse_AcceptsConditionsThatDependOnTheEvent(t *testing.T) {
	t.Parallel()
	for _, when := range []string{
		"event.time.getHours('Europe/Berlin') < 8", "event.time.getHours('+01:00') < 8", "event.time.getHours('UTC') < 8", "event.time.getHours() < 8",
		"data.version > 1.5", "data.version / 2 > 1", "100 / data.version > 1", "data.status in ['final', 'amended']", "data.status.matches('^f')",
		"has(data.doctorId) && data.doctorId == event.actorid", "data['status'] == 'final'", "data.version == 2 || data.status == 'final'",
		"event.clinicid == '0190a1b2-0000-7000-8000-00000000000c'", "data.status == 'FINAL'", "data.released", "!data.released", "data.status != data.version",
	} {
		_, err := rule.Parse([]byte(one("ehr.*.created", "    when: \""+when+"\"\n")), known)
		require.NoError(t, err, when)
	}
}

func TestMatch_ClassifiesAConditionThatFails(t *testing.T) {
	t.Parallel()
	for when, cause := range map[string]rule.Cause{
		"10 / (data.version - 2) > 1": rule.CauseDivision, "10 % (data.version - 2) > 1": rule.CauseDivision, "event.time.getHours(data.status) > 1": rule.CauseZone,
		"int(data.status) > 1": rule.CauseValue, "[1][data.version] == 1": rule.CauseValue, "{'a': 1}[data.status] == 1": rule.CauseField,
		"timestamp(data.status) > event.time": rule.CauseValue, "9223372036854775807 + data.version > 0": rule.CauseValue,
		"dyn(data.version == 2 ? 'x' : '')  > 1": rule.CauseType,
	} {
		set, err := rule.Load([]byte(one("ehr.lab_report.created", "    when: \""+when+"\"\n")), known)
		require.NoError(t, err, when)
		m := set.Match(record("ehr.lab_report.created"))
		require.Len(t, m, 1, when)
		require.Equal(t, cause, m[0].Cause, when)
		require.True(t, m[0].Failed, when)
	}
}

func TestParse_ReportsEveryErrorOfARuleWhosePatternIsWrong(t *testing.T) {
	t.Parallel()
	k := known
	k.Template = func(name, _ string) bool { return name == "clinical" }
	_, err := rule.Parse([]byte(`rules:
  - name: one
    on: ehr.lab_reprot.created
    when: data.status = 'final'
    recipients: [{role: [doctor], unless: "recipent.id == 'x'"}]
    channels: [email, fax]
    template: clincal
`), k)
	var errs rule.Errors
	require.ErrorAs(t, err, &errs)
	fields := []string{}
	for _, e := range errs {
		fields = append(fields, e.Field)
	}
	require.Equal(t, []string{"on", "when", "recipients[0].unless", "channels", "template"}, fields, "%v", err)
}
