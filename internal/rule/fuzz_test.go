package rule_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/rule"
)

// atMost ends the run when what follows takes longer than anything that is read or evaluated here
// may, by far.
func atMost(tb testing.TB, limit time.Duration) {
	tb.Helper()
	watch := time.AfterFunc(limit, func() { panic("this takes for ever") })
	tb.Cleanup(func() { watch.Stop() })
}

// examples is one event of each type there is.
func examples() []event.Event {
	all := make([]event.Event, 0, len(event.Catalog))
	for _, d := range event.Catalog {
		all = append(all, event.Example(d.Type))
	}
	return all
}

// match does all that a checked set is there for, on one event.
func match(t *testing.T, set *rule.Set, e event.Event) {
	t.Helper()
	for _, m := range set.Match(e) {
		require.Contains(t, set.Rules, m.Rule)
		require.NotEmpty(t, m.Template)
		for _, r := range m.Recipients {
			_, _ = m.Excludes(r, patient) // It may fail on this event; the planner writes that down.
		}
	}
}

// FuzzParse: whatever the source, Parse answers with a set or with errors that have a line and a
// message, and never both. A set can be matched against an event of each type.
func FuzzParse(f *testing.F) {
	f.Add(string(rule.Default()))
	f.Add(one("**", "    when: has(data.changed) && data.changed.exists(x, x == 'email')\n"))
	f.Add(one(strings.Repeat("**.", 100)+"created", ""))
	f.Add("rules: [{name: &a one, on: *a}]")
	f.Add("rules:\n  - <<: {name: x}\n    ? [a]\n    : |\n      text\n")
	f.Add("{rules: {a: !!int 7}}\n---\n")
	events := examples()
	f.Fuzz(func(t *testing.T, src string) {
		atMost(t, time.Minute)
		set, err := rule.Parse([]byte(src), known)
		if err == nil {
			require.NotNil(t, set)
			for _, e := range events {
				match(t, set, e)
			}
			return
		}
		require.Nil(t, set)
		var errs rule.Errors
		require.ErrorAs(t, err, &errs)
		require.NotEmpty(t, errs)
		for _, e := range errs {
			require.Positive(t, e.Line)
			require.NotEmpty(t, e.Message)
		}
	})
}

// FuzzCondition: a condition that is accepted ends on whatever an event holds, with an answer or as
// failed.
func FuzzCondition(f *testing.F) {
	for _, seed := range []struct{ when, unless, data string }{
		{"data.status == 'final'", "recipient.id == event.actorid", `{"status":"final"}`},
		{"has(data.changed) && data.changed.exists(x, x == 'email')", "recipient.role == 'doctor'", `{"changed":["email",7,null]}`},
		{"data.version > 1.5", "true", `{"version":9223372036854775808}`},
		{"[1,2,3].all(x, [1,2,3].exists(y, y > x))", "false", `{}`},
		{"data.status.matches('^(a+)+$')", "data.status.size() > 3", `{"status":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`},
		{"(data.status + data.status).contains('a')", "!has(data.status)", `{"status":{"a":[[]]}}`},
		{"event.time > timestamp('2026-01-01T00:00:00Z') + duration('1h')", "event.time.getHours('Europe/Berlin') < 8", `[]`},
		{"data.version / 0 == 1 || data.version % 0 == 1", "int(data.version) == -9223372036854775807 - 1", `{"version":-9223372036854775808}`},
	} {
		f.Add(seed.when, seed.unless, []byte(seed.data))
	}
	f.Fuzz(func(t *testing.T, when, unless string, data []byte) {
		atMost(t, time.Minute)
		src := "rules:\n  - {name: one, on: 'ehr.**', when: " + strconv.QuoteToASCII(when) + ", recipients: [{user: data.userId, unless: " + strconv.QuoteToASCII(unless) + "}], channels: [email]}\n"
		set, err := rule.Parse([]byte(src), known)
		if err != nil {
			return
		}
		for _, e := range []event.Event{event.Example("ehr.lab_report.created"), record("ehr.lab_report.critical")} {
			match(t, set, e)
			if json.Valid(data) {
				e.Data = data
				match(t, set, e)
			}
		}
	})
}
