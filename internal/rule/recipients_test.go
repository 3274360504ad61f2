package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
	"carewire/internal/rule/ruletest"
)

// who returns a person of the clinic with an id derived from the name.
func who(name string, roles ...care.Role) ruletest.Person {
	return ruletest.Person{Name: name, ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), Roles: roles, NoDevice: true, NoPhone: true}
}

func caring(p ruletest.Person) ruletest.Person {
	p.OnCareTeam = true
	return p
}

func unreachable(p ruletest.Person) ruletest.Person {
	p.EmailUnverified = true
	return p
}

// toAll names everybody by email.
const toAll = `
rules:
  - name: all
    on: "**"
    recipients: [{user: data.userId}, {role: [doctor, nurse, receptionist, admin]}]
    channels: [email]
`

func TestResolve_TellsNobodyOfWhatTheyMayNotRead(t *testing.T) {
	t.Parallel()
	pat := who("pat", care.Patient)
	people := ruletest.People(pat, caring(who("dora", care.Doctor)), who("dan", care.Doctor), caring(who("nina", care.Nurse)), who("noel", care.Nurse),
		who("rita", care.Receptionist), who("adam", care.Admin))
	about := func(typ string, data event.Payload) event.Event {
		cmd := care.Command{Actor: care.SystemActor("test")}
		return event.New(cmd, typ, care.Ref{Kind: "thing", ID: uuid.New()}, data).About(cmd, pat.ID, &clinic)
	}
	draft := event.Record{UserID: pat.ID, ClinicID: clinic, DoctorID: who("dan").ID, Status: "preliminary"}
	final := draft
	final.Released = true
	for _, c := range []struct {
		event event.Event
		told  []string
	}{
		{about("ehr.lab_report.created", final), []string{"pat", "dora", "dan", "nina"}}, // dan is the record's doctor.
		{about("ehr.lab_report.created", draft), []string{"dora", "dan", "nina"}},
		{about("ehr.lab_report.critical", final), []string{"dora", "dan", "nina"}},
		{about("appointment.booked", event.Appointment{UserID: pat.ID}), []string{"pat", "dora", "dan", "nina", "noel", "rita", "adam"}},
		{about("billing.invoice_issued", event.BillingDue{UserID: pat.ID}), []string{"pat", "rita", "adam"}},
		{about("billing.invoice_drafted", event.Billing{UserID: pat.ID}), []string{"rita", "adam"}},
		{about("chat.message_created", event.ChatMessage{UserID: pat.ID}), []string{"pat"}},
		{about("user.updated", event.User{UserID: pat.ID}), []string{"pat", "dora", "dan", "nina", "noel", "rita", "adam"}},
		{about("user.invited", event.InvitationOf{UserID: pat.ID}), []string{"pat"}},
		{about("user.verification_requested", event.Verification{UserID: pat.ID}), []string{"pat"}},
		{about("device.connection_lost", event.DeviceConnection{UserID: pat.ID}), []string{"pat", "dora", "dan", "nina", "noel", "rita", "adam"}},
	} {
		plan := ruletest.Plan(t, []byte(toAll), c.event, people)
		var told []string
		for _, telling := range plan.Notifications {
			told = append(told, nameOf(telling.Recipient))
		}
		require.ElementsMatch(t, c.told, told, c.event.Type)
		for _, refusal := range plan.Decisions {
			require.Equal(t, rule.ReasonMayNotRead, refusal.Reason, c.event.Type)
		}
		require.Len(t, plan.Decisions, 7-len(told), c.event.Type)
	}
}

func nameOf(id uuid.UUID) string {
	for _, name := range []string{"pat", "dora", "dan", "nina", "noel", "rita", "adam"} {
		if who(name).ID == id {
			return name
		}
	}
	return id.String()
}

func TestResolve_TellsWhoTakesPartInAConversation(t *testing.T) {
	t.Parallel()
	pat, nina := who("pat", care.Patient), who("nina", care.Nurse)
	nina.TakesPart = true
	cmd := care.Command{Actor: care.SystemActor("test")}
	e := event.New(cmd, "chat.message_created", care.Ref{Kind: "conversation", ID: uuid.New()}, event.ChatMessage{UserID: pat.ID, ClinicID: clinic, AuthorID: nina.ID}).About(cmd, pat.ID, &clinic)
	src := "rules: [{name: one, on: chat.message_created, recipients: [{user: data.userId}, {role: [nurse]}], channels: [email]}]"
	ruletest.Plan(t, []byte(src), e, ruletest.People(pat, nina, who("noel", care.Nurse))).Require(t,
		"pat email normal: rule one", "nina email normal: rule one", "noel - not by one: may_not_read")
}

func TestResolve_RefusesWhoHasLeftTheClinic(t *testing.T) {
	t.Parallel()
	src := "rules: [{name: one, on: ehr.*.created, recipients: [{user: data.doctorId}], channels: [email]}]"
	left := ruletest.Person{Name: "doc", ID: doctor, OnCareTeam: true}
	ruletest.Plan(t, []byte(src), record("ehr.lab_report.created"), ruletest.People(left)).Require(t, "doc - not by one: no_longer_at_clinic")
	left.Roles = []care.Role{care.Receptionist}
	ruletest.Plan(t, []byte(src), record("ehr.lab_report.created"), ruletest.People(left)).Require(t, "doc - not by one: may_not_read")
	left.Roles = []care.Role{care.Doctor}
	ruletest.Plan(t, []byte(src), record("ehr.lab_report.created"), ruletest.People(left)).Require(t, "doc email normal: rule one")
}

func TestResolve_TellsTheCareTeamInItsRoles(t *testing.T) {
	t.Parallel()
	src := "rules: [{name: one, on: ehr.*.created, recipients: [{careTeam: [doctor, nurse], unless: recipient.id == event.actorid}], channels: [email]}]"
	people := []ruletest.Person{caring(who("nina", care.Nurse)), caring(who("dora", care.Doctor)), who("noel", care.Nurse), caring(who("adam", care.Admin))}
	writer := caring(ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}})
	plan := ruletest.Plan(t, []byte(src), record("ehr.lab_report.created"), ruletest.People(append(people, writer)...))
	plan.Require(t, "dora email normal: rule one", "nina email normal: rule one", "doc - not by one: unless")

	alone := ruletest.Plan(t, []byte(src), record("ehr.lab_report.created"), ruletest.People(people[2:]...))
	alone.Require(t, "- - not by one: nobody_on_care_team")
	nurses := ruletest.Plan(t, []byte("rules: [{name: one, on: ehr.*.created, recipients: [{careTeam: [nurse]}], channels: [email]}]"), record("ehr.lab_report.created"), ruletest.People(people...))
	nurses.Require(t, "nina email normal: rule one")
}

func TestParse_RefusesACareTeamThatNobodyCanBeOn(t *testing.T) {
	t.Parallel()
	for recipient, says := range map[string]string{
		"{careTeam: true}":                   "such as careTeam: [doctor, nurse]",
		"{careTeam: [receptionist]}":         "role receptionist is not on care teams",
		"{careTeam: [patient]}":              "would notify every patient",
		"{careTeam: [nurse, nurse]}":         "duplicate nurse",
		"{careTeam: []}":                     "is empty",
		"{careTeam: [nurse], role: [nurse]}": "more than one of",
		"{unless: 'true'}":                   "careTeam: [doctor, nurse]",
	} {
		src := "rules: [{name: one, on: ehr.*.created, recipients: [" + recipient + "], channels: [email]}]"
		require.Contains(t, refused(t, src).Error(), says, recipient)
	}
}

func TestResolve_HoldsBackTheTellingOfAPatientAlone(t *testing.T) {
	t.Parallel()
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e := record("ehr.lab_report.created")
	pat := ruletest.Person{Name: "pat", ID: patient, NoDevice: true}
	doc := ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}}
	plan := ruletest.Plan(t, rule.Default(), e, ruletest.People(pat, doc), ruletest.Channels("push", "email"), ruletest.Held(until))
	plan.Require(t,
		"pat push not: no_address", "pat email later: awaiting_review",
		"doc push normal: rule record-created", "doc email normal: rule record-created",
		"- - not by record-created: nobody_on_care_team")
	require.Equal(t, until, plan.Notifications[0].HeldUntil)

	// Who cares for themselves as their own doctor reads it as staff.
	self := ruletest.Person{Name: "self", ID: patient, Roles: []care.Role{care.Doctor}, OnCareTeam: true}
	require.Zero(t, ruletest.Plan(t, rule.Default(), e, ruletest.People(self), ruletest.Held(until)).Notifications[0].HeldUntil)
}

func TestResolve_TellsThePatientNothingOfWhatWasRetractedUnseen(t *testing.T) {
	t.Parallel()
	cmd := care.Command{Actor: care.Actor{ID: doctor.String(), UserID: doctor}}
	data := event.Record{RecordID: uuid.New(), UserID: patient, ClinicID: clinic, DoctorID: doctor, Status: "entered-in-error", Version: 2, Released: true, Held: true}
	e := event.New(cmd, "ehr.lab_report.retracted", care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(cmd, patient, &clinic)
	pat := ruletest.Person{Name: "pat", ID: patient}
	ruletest.Plan(t, rule.Default(), e, ruletest.People(pat, caring(who("nina", care.Nurse))), ruletest.Channels("email")).Require(t,
		"nina push not: channel_not_configured", "nina email normal: rule record-retracted",
		"pat - not by record-retracted: retracted_before_review", doctor.String()+" - not by record-retracted: unknown_user")
}

func TestResolve_TakesACriticalEventToSomebodyWhoCanAct(t *testing.T) {
	t.Parallel()
	onlyDoctor := []byte("rules: [{name: urgent, on: ehr.*.critical, recipients: [{user: data.doctorId}], channels: [email], priority: critical, template: critical_result}]")
	left := ruletest.Person{Name: "doc", ID: doctor}
	nina, dora, dan := caring(who("nina", care.Nurse)), who("dora", care.Doctor), who("dan", care.Doctor)
	plan := func(people ...ruletest.Person) *ruletest.Planned {
		return ruletest.Plan(t, onlyDoctor, record("ehr.lab_report.critical"), ruletest.People(people...))
	}

	here := left
	here.Roles = []care.Role{care.Doctor}
	plan(here, nina, dora).Require(t, "doc email critical: rule urgent")
	plan(left, nina, dora).Require(t,
		"nina email critical: fallback_care_team, rule urgent",
		"doc - not by urgent: no_longer_at_clinic",
		"- - not by urgent/care_team: fallback_care_team")

	last := plan(left, unreachable(nina), dora, unreachable(dan))
	require.ElementsMatch(t, []string{
		"nina email not: address_unverified",
		"dora email critical: fallback_clinic_doctors, rule urgent", "dan email not: address_unverified",
		"doc - not by urgent: no_longer_at_clinic",
		"- - not by urgent/care_team: fallback_care_team", "- - not by urgent/clinic_doctors: fallback_clinic_doctors",
	}, last.Lines())
	require.Equal(t, rule.TemplateUnattended, last.Template(dora.ID, "email"), "she may not read it, and is told what to do")

	plan(left, unreachable(nina)).Require(t,
		"nina email not: address_unverified",
		"doc - not by urgent: no_longer_at_clinic",
		"- - not by urgent/care_team: fallback_care_team", "- - not by urgent/clinic_doctors: fallback_clinic_doctors",
		"- - not by urgent/operators: reached_nobody")
}

func TestResolve_CountsNobodyWhoHasDiedAsReached(t *testing.T) {
	t.Parallel()
	src := []byte("rules: [{name: urgent, on: ehr.*.critical, recipients: [{user: data.doctorId}], channels: [email], priority: critical, template: critical_result}]")
	dead := caring(who("nina", care.Nurse))
	dead.Deceased = true
	late := who("dora", care.Doctor)
	late.Deceased = true
	ruletest.Plan(t, src, record("ehr.lab_report.critical"), ruletest.People(ruletest.Person{Name: "doc", ID: doctor}, dead, late)).Require(t,
		"doc - not by urgent: no_longer_at_clinic",
		"- - not by urgent/care_team: fallback_care_team", "- - not by urgent/clinic_doctors: fallback_clinic_doctors",
		"- - not by urgent/operators: reached_nobody")
}

func TestResolve_FallsBackForCriticalEventsAndRulesOnly(t *testing.T) {
	t.Parallel()
	src := func(on, priority string) []byte {
		return []byte("rules: [{name: one, on: " + on + ", recipients: [{user: data.doctorId}], channels: [email], priority: " + priority + "}]")
	}
	people := ruletest.People(ruletest.Person{Name: "doc", ID: doctor}, caring(who("nina", care.Nurse)))
	for on, priority := range map[string]string{"ehr.*.created": "critical", "ehr.*.critical": "high"} {
		typ := "ehr.lab_report." + on[len("ehr.*."):]
		ruletest.Plan(t, src(on, priority), record(typ), people).Require(t, "doc - not by one: no_longer_at_clinic")
	}
}

func TestResolve_SendsNoMessagesAboutEventsOlderThanTheTTL(t *testing.T) {
	t.Parallel()
	pat := who("pat", care.Patient)
	invoice := event.New(care.Command{Actor: care.SystemActor("test")}, "billing.invoice_issued", care.Ref{Kind: "invoice", ID: uuid.New()}, event.BillingDue{UserID: pat.ID}).
		About(care.Command{}, pat.ID, &clinic)
	lines := func(field string, late time.Duration) string {
		rules := "rules:\n  - {name: due, on: billing.invoice_issued, recipients: [user: data.userId], channels: [push, inapp], fallback: [email]" + field + "}\n"
		plan := ruletest.Plan(t, []byte(rules), invoice, ruletest.People(pat), ruletest.Channels("push", "email", "inapp"), ruletest.Late(late))
		return strings.Join(plan.Lines(), "; ")
	}
	const inbox = "; pat inapp normal: rule due"
	for _, c := range []struct {
		field string
		late  time.Duration
		want  string
	}{
		{"", 24 * time.Hour, "pat push not: no_address" + inbox + "; pat email normal: fallback for push, rule due"},
		{"", 24*time.Hour + time.Second, "pat push not: too_late" + inbox},
		{", ttl: 2h", 3 * time.Hour, "pat push not: too_late" + inbox},
		{", ttl: none", 1000 * time.Hour, "pat push not: no_address" + inbox + "; pat email normal: fallback for push, rule due"},
		{", priority: bulk", 25 * time.Hour, "pat push not: too_late; pat inapp bulk: rule due"},
		{", priority: high", 1000 * time.Hour, "pat push not: no_address; pat inapp high: rule due; pat email high: fallback for push, rule due"},
		{", priority: critical", 1000 * time.Hour, "pat push not: no_address; pat inapp critical: rule due; pat email critical: fallback for push, rule due"},
		{", priority: critical, ttl: 5m", time.Hour, "pat push not: too_late; pat inapp critical: rule due"},
	} {
		require.Equal(t, c.want, lines(c.field, c.late), "%s %s", c.field, c.late)
	}
}
