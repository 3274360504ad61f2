package rule_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
	"carewire/internal/rule/ruletest"
)

func TestParse_RefusesEachMistakeOfAnEscalation(t *testing.T) {
	t.Parallel()
	const ok = "after: 5m, unless: read, to: {actor: true}, channels: [email]"
	for _, c := range []struct{ name, step, want string }{
		{"nobody", "after: 5m, unless: read, channels: [email]", "line 6: rule one: escalate[0].to: is missing: an escalation needs somebody to notify; want user, role, careTeam or actor"},
		{"an empty recipient", strings.Replace(ok, "{actor: true}", "{}", 1), "escalate[0].to: "},
		{"no roles", strings.Replace(ok, "{actor: true}", "{role: []}", 1), "escalate[0].to.role: is empty"},
		{"an unknown role", strings.Replace(ok, "{actor: true}", "{role: [surgeon]}", 1), `escalate[0].to.role: unknown clinic role "surgeon"`},
		{"a field that the event lacks", strings.Replace(ok, "{actor: true}", "{user: data.doctorId}", 1), "escalate[0].to.user: data.doctorId is not an id in the data of user.created"},
		{"no time", "unless: read, to: {actor: true}, channels: [email]", "escalate[0].after: is missing: want the time from the acceptance of the message, such as 5m"},
		{"a time without unit", strings.Replace(ok, "5m", "5", 1), `escalate[0].after: "5" is not a duration; want hours, minutes or seconds with their unit`},
		{"a time that is too short", strings.Replace(ok, "5m", "30s", 1), "escalate[0].after: want between 1m and 168h, not 30s"},
		{"a negative time", strings.Replace(ok, "5m", "-5m", 1), "escalate[0].after: want between 1m and 168h, not -5m"},
		{"no state", "after: 5m, to: {actor: true}, channels: [email]", "escalate[0].unless: is missing: want acknowledged, read or delivered"},
		{"an unknown state", strings.Replace(ok, "read", "seen", 1), `escalate[0].unless: unknown state "seen"; want acknowledged, read or delivered`},
		{"no channels", "after: 5m, unless: read, to: {actor: true}", "escalate[0].channels: is missing: want at least one of email"},
		{"an unknown channel", strings.Replace(ok, "[email]", "[fax]", 1), `escalate[0].channels: unknown channel "fax"`},
		{"an unknown field", ok + ", then: 1", "escalate[0].then: unknown field"},
		{"too many steps", strings.Repeat(ok+"}, {", 20) + ok, "escalate: at most "},
	} {
		_, err := rule.Parse([]byte(one("user.created", "    escalate: [{"+c.step+"}]\n")), known)
		require.ErrorContains(t, err, c.want, c.name)
	}
	for _, src := range []string{"[{" + ok + "}, {" + ok + "}]", "{" + ok + "}"} {
		_, err := rule.Parse([]byte(one("user.created", "    escalate: "+src+"\n")), known)
		require.NoError(t, err)
	}
	_, err := rule.Parse([]byte("rules: [{name: one, on: appointment.booked, recipients: [{actor: true}], channels: [email], schedule: {at: data.startsAt}, escalate: {"+ok+"}}]"), known)
	require.ErrorContains(t, err, "escalate: a rule with a schedule cannot escalate")
}

func TestParse_ChecksATemplateForTheChannelsOfAStep(t *testing.T) {
	t.Parallel()
	k := known
	k.Template = func(_, channel string) bool { return channel == "email" }
	_, err := rule.Parse([]byte(one("user.created", "    escalate: {after: 5m, unless: read, to: {actor: true}, channels: [sms]}\n")), k)
	require.ErrorContains(t, err, `for the channel sms`)
}

// reported is a critical finding that a laboratory reported.
func reported() event.Event {
	e := record("ehr.lab_report.critical")
	e.ActorID = "system:laboratory"
	return e
}

// escalating is a critical rule with a step for some people.
func escalating(to, channels string) []byte {
	return []byte("rules: [{name: urgent, on: ehr.*.critical, recipients: [{user: data.doctorId}], channels: [email], template: critical_result, priority: critical, " +
		"escalate: {after: 5m, unless: acknowledged, to: {" + to + "}, channels: [" + channels + "]}}]")
}

func TestEscalate_NotifiesPeopleOnTheChannelsThatTheyHadNoMessageOn(t *testing.T) {
	t.Parallel()
	doc, nina, noel := ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}}, caring(who("nina", care.Nurse)), caring(who("noel", care.Nurse))
	step, reached := ruletest.Escalate(t, escalating("careTeam: [doctor, nurse]", "email, sms"), reported(), "urgent", 0,
		map[string][]string{"doc": {"email", "inapp"}, "nina": {"email", "sms", "inapp"}}, ruletest.People(caring(doc), nina, noel))
	require.True(t, reached)
	require.ElementsMatch(t, []string{
		"doc sms critical: escalation of step 0, rule urgent",
		"noel email critical: escalation of step 0, rule urgent", "noel sms not: no_address",
		"nina - not by urgent/escalation/0: already_notified",
	}, step.Lines())
	for _, n := range step.Notifications {
		require.Equal(t, "escalation/urgent/0", n.PlanKey)
		require.True(t, n.DueAt.IsZero())
	}
}

func TestEscalate_TellsDoctorsWhoMayNotReadACriticalEventWhatToDo(t *testing.T) {
	t.Parallel()
	doc := ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}}
	dora, noel, last := who("dora", care.Doctor), who("noel", care.Nurse), who("dan", care.Doctor)
	last.Disabled = true
	people := ruletest.People(doc, dora, noel, last)
	told := map[string][]string{"doc": {"email"}}
	step, reached := ruletest.Escalate(t, escalating("role: [doctor, nurse]", "email"), reported(), "urgent", 0, told, people)
	require.True(t, reached)
	require.ElementsMatch(t, []string{
		"dora email critical: escalation of step 0, rule urgent",
		"doc - not by urgent/escalation/0: already_notified", "noel - not by urgent/escalation/0: may_not_read", "dan - not by urgent/escalation/0: user_disabled",
	}, step.Lines())
	require.Equal(t, rule.TemplateUnattended, step.Template(dora.ID, "email"))

	high := []byte(strings.Replace(string(escalating("role: [doctor, nurse]", "email")), "priority: critical", "priority: high", 1))
	step, reached = ruletest.Escalate(t, high, reported(), "urgent", 0, told, people)
	require.False(t, reached, "only a critical rule tells doctors of what they may not read")
	require.Empty(t, step.Notifications)
}

func TestEscalate_ReachesNobody(t *testing.T) {
	t.Parallel()
	doc := ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}}
	step, reached := ruletest.Escalate(t, escalating("role: [nurse]", "email"), reported(), "urgent", 0, nil, ruletest.People(doc))
	require.False(t, reached)
	step.Require(t, "- - not by urgent/escalation/0: nobody_in_role")

	step, reached = ruletest.Escalate(t, escalating("user: data.doctorId", "sms"), reported(), "urgent", 0, map[string][]string{"doc": {"email"}},
		ruletest.People(doc), ruletest.Channels("email"))
	require.False(t, reached)
	step.Require(t, "doc sms not: channel_not_configured")

	step, reached = ruletest.Escalate(t, escalating("role: [doctor]", "inapp"), reported(), "urgent", 0, nil, ruletest.People(doc, who("dora", care.Doctor)))
	require.False(t, reached, "the inbox alone reaches nobody with a critical finding")
	require.NotEmpty(t, step.Notifications)
}

func TestEscalate_LeavesTheActorOutOfRolesOnly(t *testing.T) {
	t.Parallel()
	doc := ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}}
	e := record("ehr.lab_report.critical")
	e.ActorID = doctor.String()
	step, _ := ruletest.Escalate(t, escalating("role: [doctor]", "sms"), e, "urgent", 0, nil, ruletest.People(doc))
	step.Require(t, "doc - not by urgent/escalation/0: caused_event")
	step, reached := ruletest.Escalate(t, escalating("actor: true", "sms"), e, "urgent", 0, nil, ruletest.People(doc))
	require.True(t, reached)
	step.Require(t, "doc sms critical: escalation of step 0, rule urgent")
}

func TestStepOf_FindsTheStepOfAPlanKey(t *testing.T) {
	t.Parallel()
	step, ok := rule.StepOf("urgent", rule.StepKey("urgent", 3))
	require.True(t, ok)
	require.Equal(t, 3, step)
	for _, key := range []string{"", "escalation/other/0", "urgent/24h-before-startsAt", "escalation/urgent/x", "escalation/urgent"} {
		_, ok := rule.StepOf("urgent", key)
		require.False(t, ok, key)
	}
}

func TestSatisfies_OrdersTheReactions(t *testing.T) {
	t.Parallel()
	require.True(t, rule.Acknowledged.Satisfies(rule.Delivered))
	require.True(t, rule.Read.Satisfies(rule.Read))
	require.False(t, rule.Delivered.Satisfies(rule.Read))
	require.False(t, rule.Reaction("").Satisfies(rule.Delivered))
}
