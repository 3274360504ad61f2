package ruletest_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
	"carewire/internal/rule/ruletest"
)

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

var clinic = id(9)

// failing is a testing.TB that is expected to fail, and records its message.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func fails(t *testing.T, assert func(tb testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert(f)
	}()
	<-done
	return f.said
}

// prescribed is the event of a prescription of the doctor (2) for the patient (3).
func prescribed() event.Event {
	cmd := care.Command{Actor: care.Actor{ID: id(2).String(), UserID: id(2)}}
	data := event.Record{RecordID: id(1), UserID: id(3), ClinicID: clinic, DoctorID: id(2), Status: "active", Version: 1, Released: true}
	return event.New(cmd, "ehr.prescription.created", care.Ref{Kind: "prescription", ID: id(1)}, data).About(cmd, id(3), &clinic).AtVersion(1)
}

// clinicPeople are given out of the order of their ids, in which the planner tells the holders of a
// role.
func clinicPeople() ruletest.Option {
	return ruletest.People(
		ruletest.Person{Name: "ada", ID: id(3), Roles: []care.Role{care.Patient}},
		ruletest.Person{Name: "nina", ID: id(5), Roles: []care.Role{care.Nurse}, OnCareTeam: true, Off: []string{"clinical/email"}},
		ruletest.Person{Name: "noel", ID: id(4), Roles: []care.Role{care.Nurse}, OnCareTeam: true, NoDevice: true, EmailUnverified: true},
		ruletest.Person{Name: "doc", ID: id(2), Roles: []care.Role{care.Doctor}, Disabled: true},
	)
}

func TestPlan_ResolvesDuplicatesByPriorityAsThePlannerDoes(t *testing.T) {
	t.Parallel()
	plan := ruletest.Plan(t, rule.Default(), prescribed(), clinicPeople(), ruletest.Channels("push", "email"))
	plan.Require(t,
		"ada push high: rule prescription-to-patient",
		"ada email high: rule prescription-to-patient",
		"noel push not: no_address",
		"noel email not: address_unverified",
		"nina push normal: rule record-created",
		"nina email not: preference_off",
		"ada push not by record-created: duplicate_of:prescription-to-patient",
		"ada email not by record-created: duplicate_of:prescription-to-patient",
		"doc - not by record-created: user_disabled",
	)
	require.Equal(t, "prescription", plan.Template(id(3), "push"))
	require.Equal(t, "clinical", plan.Template(id(5), "push"))
	require.Empty(t, plan.Template(id(5), "email"))
}

func TestPlan_TriesFallbacksAndNamesWhoIsUnknown(t *testing.T) {
	t.Parallel()
	plan := ruletest.Plan(t, []byte(`
rules:
  - {name: text, on: ehr.*.created, recipients: [{user: data.userId}, {user: data.doctorId}], channels: [whatsapp], fallback: [sms, push]}
  - {name: desk, on: ehr.*.created, recipients: [{role: [receptionist]}], channels: [push]}
`), prescribed(), ruletest.People(ruletest.Person{Name: "ada", ID: id(3), PhoneUnverified: true}), ruletest.Channels("sms", "push"))
	plan.Require(t,
		"ada whatsapp not: channel_not_configured",
		"ada sms not: address_unverified",
		"ada push normal: fallback for whatsapp, rule text",
		"- - not by desk: nobody_in_role",
		id(2).String()+" - not by text: unknown_user",
	)
}

func TestRequire_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	said := fails(t, func(tb testing.TB) {
		tb.Helper()
		ruletest.Plan(tb, rule.Default(), prescribed(), clinicPeople()).Require(tb, "ada push low: rule nine")
	})
	require.Contains(t, said, "-")
	require.Contains(t, said, `"ada push low: rule nine"`)
	require.Contains(t, said, `"ada push high: rule prescription-to-patient"`)
}

func TestPlan_RefusesWhatCannotBePlanned(t *testing.T) {
	t.Parallel()
	for says, assert := range map[string]func(tb testing.TB){
		`unknown channel "fax"`: func(tb testing.TB) {
			tb.Helper()
			ruletest.Plan(tb, []byte("rules: [{name: one, on: ehr.*.created, recipients: [{actor: true}], channels: [fax]}]"), prescribed())
		},
		`no template "clinical"`: func(tb testing.TB) {
			tb.Helper()
			ruletest.Plan(tb, rule.Default(), prescribed(), ruletest.Templates(func(string, string) bool { return false }))
		},
		"rules never see record.read": func(tb testing.TB) {
			tb.Helper()
			ruletest.Plan(tb, rule.Default(), event.Event{Type: "record.read"})
		},
		"an id of their own": func(tb testing.TB) {
			tb.Helper()
			ruletest.Plan(tb, rule.Default(), prescribed(), ruletest.People(ruletest.Person{Name: "ada"}))
		},
	} {
		require.Contains(t, fails(t, assert), says)
	}
}
