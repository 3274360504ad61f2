package rule_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/rule"
)

func TestParse_RefusesEachMistakeWithItsLineAndField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src, want string
	}{
		{"no YAML", "rules: [", "line 1: invalid YAML"},
		{"an unquoted star", "rules:\n  - name: a\n    on: *\n", "quote a text"},
		{"nothing", "", "the source is empty: begin with `rules:`"},
		{"a comment only", "# nothing\n", "the source is empty: begin with `rules:`"},
		{"no list", "rules: 7\n", "line 1: rules: want a list, got a number"},
		{"another top field", "rules: []\nrule: []\n", "line 2: rule: unknown field"},
		{"two documents", "rules: []\n---\nrules: []\n", "second document"},
		{"a rule that is text", "rules:\n  - hello\n", "line 2: rule #1: want fields, got text"},
		{"an unknown field", one("user.created", "    chanels: [email]\n"), "line 6: rule one: chanels: unknown field"},
		{"a field twice", one("user.created", "    channels: [push]\n"), "rule one: channels: duplicate field"},
		{"schedule", one("user.created", "    schedule: 24h\n"), "rule one: schedule: want a list, got text"},
		{"digest", one("user.created", "    digest: {every: 1h}\n"), "rule one: digest.every: unknown field; want one of window, key, max, channels"},
		{"escalate", one("user.created", "    escalate: []\n"), "rule one: escalate: is empty; want at least one entry"},
		{"an anchor", one("user.created", "    template: &a welcome\n"), "not supported"},
		{"a number as text", one("user.created", "    template: 7\n"), "rule one: template: want text, got a number"},
		{"an empty value", one("user.created", "    template:\n"), "rule one: template: want text, got nothing"},
		{"a ttl without a unit", one("user.created", "    ttl: 24\n"), "rule one: ttl: \"24\" is not a duration; want hours, minutes or seconds with their unit, such as 24h or 90m, or none"},
		{"a ttl that is too short", one("user.created", "    ttl: 10s\n"), "rule one: ttl: want between 1m and 720h, or none"},
		{"a negative ttl", one("user.created", "    ttl: -1h\n"), "rule one: ttl: want between 1m and 720h, or none"},
		{"text as boolean", one("user.created", "    imported: yes please\n"), "rule one: imported: want true or false"},
		{"a bad name", "rules: [{name: A b, on: user.created, recipients: [{actor: true}], channels: [email]}]", "rule #1: name: invalid name \"A b\"; want"},
		{"no name", "rules: [{on: user.created, recipients: [{actor: true}], channels: [email]}]", "rule #1: name: is missing"},
		{"the same name", one("user.created", "") + "  - {name: one, on: user.created, recipients: [{actor: true}], channels: [email]}\n", "line 6: rule one: name: duplicate rule name \"one\", also on line 2"},
		{"no pattern", "rules: [{name: one, recipients: [{actor: true}], channels: [email]}]", "rule one: on: is missing"},
		{"a malformed pattern", one("User.created", ""), "line 3: rule one: on: invalid pattern"},
		{"a pattern for nothing", one("user.exploded", ""), "matches no event;"},
		{"a pattern for the hidden", one("notification.*", ""), "matches only events that are hidden from rules"},
		{"no recipients", "rules: [{name: one, on: user.created, channels: [email]}]", "recipients: is missing"},
		{"empty recipients", "rules: [{name: one, on: user.created, recipients: [], channels: [email]}]", "recipients: is empty"},
		{"a recipient that is nobody", "rules: [{name: one, on: user.created, recipients: [{unless: event.imported}], channels: [email]}]", "recipients[0]: missing recipient"},
		{"a recipient that is two", "rules: [{name: one, on: user.created, recipients: [{user: data.userId, actor: true}], channels: [email]}]", "recipients[0]: more than one of"},
		{"actor: false", "rules: [{name: one, on: user.created, recipients: [{actor: false}], channels: [email]}]", "recipients[0].actor: want true"},
		{"no data path", "rules: [{name: one, on: user.created, recipients: [{user: userId}], channels: [email]}]", "recipients[0].user: invalid field \"userId\"; want a field of the data"},
		{"a path that one type lacks", "rules: [{name: one, on: '**', recipients: [{user: data.doctorId}], channels: [email]}]", "data.doctorId is not an id in the data of user.created, which has data.userId"},
		{"a path to no id", "rules: [{name: one, on: ehr.*.created, recipients: [{user: data.status}], channels: [email]}]", "data.status is not an id"},
		{"an unknown role", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [surgeon]}], channels: [email]}]", "recipients[0].role: unknown clinic role \"surgeon\""},
		{"a platform role", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [operator]}], channels: [email]}]", "unknown clinic role"},
		{"all patients", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [patient]}], channels: [email]}]", "would notify every patient"},
		{"a role that is no list", "rules: [{name: one, on: ehr.*.created, recipients: [{role: doctor}], channels: [email]}]", "recipients[0].role: want a list"},
		{"an unknown channel", "rules: [{name: one, on: ehr.*.created, recipients: [{actor: true}], channels: [fax]}]", "channels: unknown channel \"fax\"; want one of email, push, sms, whatsapp"},
		{"a channel twice", one("user.created", "    fallback: [email]\n"), "fallback: duplicate channel email"},
		{"an unknown priority", one("user.created", "    priority: urgent\n"), "priority: unknown priority \"urgent\""},
		{"an unknown category", one("user.created", "    category: spam\n"), "category: unknown category \"spam\""},
		{"CEL that is none", one("user.created", "    when: 'event.type =='\n"), "line 6: rule one: when: Syntax error"},
		{"CEL that is no bool", one("user.created", "    when: event.type\n"), "when: gives string, not true or false"},
		{"CEL that may be no bool", one("user.created", "    when: data.userId\n"), "when: gives dyn, not true or false"},
		{"CEL of the wrong types", one("user.created", "    when: event.type > 7\n"), "when: found no matching overload"},
		{"CEL with an unknown name", one("user.created", "    when: event.kind == 'x'\n"), "There are data.<field>, event.id"},
		{"recipient outside unless", one("user.created", "    when: recipient.id == ''\n"), "undeclared reference to 'recipient'"},
		{"CEL with an unknown field", one("user.created", "    when: data.name == 'x'\n"), "data.name: no event that the pattern matches has this field; user.created has userId, changed"},
		{"CEL with an unknown field asked for", one("user.created", "    when: has(data.name)\n"), "data.name: no event"},
		{"CEL with a field that may be missing", one("user.updated", "    when: \"'email' in data.changed\"\n"), "user.updated may lack this field; write has(data.changed)"},
		{"CEL with a broken regular expression", one("user.created", "    when: event.type.matches('(')\n"), "invalid matches argument"},
		{"CEL that is too long", one("user.created", "    when: event.type == '"+strings.Repeat("x", 3000)+"'\n"), "longer than 2000 characters"},
		{"CEL that is too deep", one("user.created", "    when: "+strings.Repeat("(", 400)+"true"+strings.Repeat(")", 400)+"\n"), "recursion"},
		{"unless", "rules: [{name: one, on: user.created, recipients: [{actor: true, unless: recipient.name == ''}], channels: [email]}]", "recipients[0].unless: undeclared reference to 'recipient.name'"},
		{"too large", strings.Repeat("#", 300<<10), "want at most 262144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, refused(t, c.src), c.want)
		})
	}
}

func TestParse_ReportsAllErrorsAtOnceInTheOrderOfTheLines(t *testing.T) {
	t.Parallel()
	errs := refused(t, `
rules:
  - name: first
    on: ehr.unheard.created
    when: data.status
    recipients:
      - user: data.userId
    channels: [fax, pigeon]
    priority: soon
  - on: user.created
    recipients:
      - role: [king]
      - actor: true
        unless: recipient.size > 3
    channels: [email]
    colour: red
`)
	require.Equal(t, strings.TrimSpace(`
my.yaml:4: rule first: on: ehr.unheard.created matches no event; see the event reference for the names
my.yaml:8: rule first: channels: unknown channel "fax"; want one of email, push, sms, whatsapp
my.yaml:8: rule first: channels: unknown channel "pigeon"; want one of email, push, sms, whatsapp
my.yaml:9: rule first: priority: unknown priority "soon"; want one of critical, high, normal, bulk
my.yaml:10: rule #2: name: is missing: want a name, which deliveries and decisions are stored with
my.yaml:12: rule #2: recipients[0].role: unknown clinic role "king"; want one of doctor, nurse, receptionist, admin
my.yaml:14: rule #2: recipients[1].unless: undeclared reference to 'recipient.size' (did you mean 'recipient.id' or 'recipient.role'?). There are data.<field>, event.id, event.type, event.source, event.subject, event.time, event.clinicid, event.personid, event.actorid, event.actorrole, event.subjectversion, event.imported, recipient.id, recipient.role
my.yaml:16: rule #2: colour: unknown field; want one of name, on, when, recipients, channels, fallback, priority, category, template, imported, unverified, ttl, schedule, digest, throttle, escalate
`), errs.In("my.yaml").Error())
}

func TestParse_ChecksTheTemplateOfDoctorsWhoAreNotOnTheCareTeam(t *testing.T) {
	t.Parallel()
	k := known
	k.Template = func(name, _ string) bool { return name != rule.TemplateUnattended }
	src := "rules: [{name: one, on: ehr.lab_report.critical, recipients: [{user: data.userId}], channels: [push], priority: PRIORITY}]"
	_, err := rule.Parse([]byte(strings.Replace(src, "PRIORITY", "critical", 1)), k)
	require.ErrorContains(t, err, `line 1: rule one: template: no template "critical_unattended" for the channel push`)
	_, err = rule.Parse([]byte(strings.Replace(src, "PRIORITY", "high", 1)), k)
	require.NoError(t, err, "only a critical rule leads to them")
}

func TestParse_ChecksATemplateForEachChannelAndType(t *testing.T) {
	t.Parallel()
	k := known
	k.Template = func(name, channel string) bool { return name == "clinical" && channel == "push" }
	_, err := rule.Parse([]byte("rules: [{name: one, on: '**', recipients: [{user: data.userId}], channels: [push], fallback: [sms]}]"), k)
	require.ErrorContains(t, err, `no template "clinical" for the channel sms`)
	require.ErrorContains(t, err, `no template "billing" for the channel push`)
	require.NotContains(t, err.Error(), `"clinical" for the channel push`)
}
