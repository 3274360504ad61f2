package rule_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

var known = rule.Known{Channels: []string{"email", "push", "sms", "whatsapp"}}

var (
	clinic  = uuid.MustParse("0190a1b2-0000-7000-8000-00000000000c")
	patient = uuid.MustParse("0190a1b2-0000-7000-8000-000000000001")
	doctor  = uuid.MustParse("0190a1b2-0000-7000-8000-000000000002")
)

// record is an event about a record, caused by the doctor.
func record(typ string) event.Event {
	cmd := care.Command{Actor: care.Actor{ID: doctor.String(), UserID: doctor}}
	data := event.Record{RecordID: uuid.New(), UserID: patient, ClinicID: clinic, DoctorID: doctor, Status: "final", Version: 2, Released: true}
	return event.New(cmd, typ, care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(cmd, patient, &clinic).AtVersion(2)
}

func parse(t *testing.T, src string) *rule.Set {
	t.Helper()
	set, err := rule.Parse([]byte(src), known)
	require.NoError(t, err)
	return set
}

func refused(t *testing.T, src string) rule.Errors {
	t.Helper()
	_, err := rule.Parse([]byte(src), known)
	require.Error(t, err)
	var errs rule.Errors
	require.ErrorAs(t, err, &errs)
	return errs
}

func names(matches []rule.Match) []string {
	found := []string{}
	for _, m := range matches {
		found = append(found, m.Rule.Name)
	}
	return found
}

func one(on, rest string) string {
	return "rules:\n  - name: one\n    on: '" + on + "'\n    recipients: [{user: data.userId}]\n    channels: [email]\n" + rest
}

func TestDefault_IsAValidSetThatSeesWhatItShould(t *testing.T) {
	t.Parallel()
	set := parse(t, string(rule.Default()))
	for typ, want := range map[string][]string{
		"ehr.lab_report.created":   {"record-created"},
		"ehr.prescription.created": {"record-created", "prescription-to-patient"},
		"ehr.lab_report.updated":   {},
		"ehr.lab_report.critical":  {"critical-result"},
		"ehr.vital_signs.critical": {"critical-result"},
		"ehr.lab_report.released":  {"record-released"},
		"ehr.lab_report.amended":   {"record-amended"},
		"ehr.lab_report.retracted": {"record-retracted"},
		"ehr.prescription.updated": {"prescription-changed"},
	} {
		require.Equal(t, want, names(set.Match(record(typ))), typ)
	}
	for _, typ := range []string{"ehr.lab_report.created", "ehr.prescription.created", "ehr.prescription.updated", "ehr.clinical_note.retracted"} {
		draft := record(typ)
		draft.Data = json.RawMessage(`{"released":false,"critical":false}`)
		require.Empty(t, set.Match(draft), "%s: nobody is told of a draft", typ)
	}
	old := record("ehr.lab_report.created")
	old.Data = json.RawMessage(`{}`)
	require.Equal(t, []string{"record-created"}, names(set.Match(old)), "an event from before releases were told of means one")
	for typ, want := range map[string][]string{
		"user.created": {"welcome"}, "user.updated": {"account-changed"}, "appointment.booked": {"appointment", "appointment-reminder"},
		"billing.invoice_issued": {"billing", "invoice-reminder"}, "billing.refund_made": {"billing"}, "billing.invoice_overdue": {"invoice-overdue"}, "chat.message_unread": {"message-unread"},
	} {
		require.Equal(t, want, names(set.Match(event.Event{Type: typ, Data: json.RawMessage(`{}`)})), typ)
	}
	for _, typ := range []string{"appointment.checked_in", "appointment.completed", "device.connection_lost"} {
		require.Empty(t, set.Match(event.Event{Type: typ, Data: json.RawMessage(`{}`)}), typ)
	}
	require.Equal(t, []string{"appointment-requested", "appointment-to-desk"}, names(set.Match(event.Event{Type: "appointment.requested", Data: json.RawMessage(`{}`)})))
	for urgency, want := range map[string][]string{"routine": {}, "urgent": {"urgent-reading"}, "emergency": {"emergency-reading"}} {
		require.Equal(t, want, names(set.Match(event.Event{Type: "device.reading_received", Data: json.RawMessage(`{"urgency":"` + urgency + `"}`)})), urgency)
	}
}

func TestMatch_GivesRecipientsInTheOrderOfTheRule(t *testing.T) {
	t.Parallel()
	set := parse(t, `
rules:
  - name: all
    on: ehr.*.created
    recipients:
      - role: [nurse, doctor]
      - user: data.userId
      - actor: true
    channels: [push]
    priority: high
`)
	matches := set.Match(record("ehr.lab_report.created"))
	require.Len(t, matches, 1)
	m := matches[0]
	require.Equal(t, rule.High, m.Rule.Priority)
	require.Equal(t, event.CategoryClinical, m.Category)
	require.Equal(t, "clinical", m.Template, "the category's name is the template where the rule names none")
	var got []rule.Recipient
	for _, r := range m.Recipients {
		got = append(got, rule.Recipient{UserID: r.UserID, Role: r.Role})
	}
	require.Equal(t, []rule.Recipient{{Role: care.Nurse}, {Role: care.Doctor}, {UserID: patient}, {UserID: doctor}}, got)
}

func TestParse_TakesABooleanFieldAsAConditionAndNoOther(t *testing.T) {
	t.Parallel()
	require.Len(t, parse(t, one("ehr.*.created", "    when: data.released\n")).Match(record("ehr.lab_report.created")), 1)
	for _, when := range []string{"data.status", "data.version", "data"} {
		require.Contains(t, refused(t, one("ehr.*.created", "    when: "+when+"\n")).Error(), "not true or false", when)
	}
}

func TestMatch_NamesNobodyWhereTheActorIsAProgram(t *testing.T) {
	t.Parallel()
	set := parse(t, "rules: [{name: one, on: user.created, recipients: [{actor: true}], channels: [email]}]")
	e := event.New(care.Command{Actor: care.SystemActor("seed")}, "user.created", care.Ref{Kind: "user", ID: patient}, event.User{UserID: patient})
	require.Equal(t, uuid.Nil, set.Match(e)[0].Recipients[0].UserID)
}

func TestMatch_EvaluatesWhenOverTheEventAndItsData(t *testing.T) {
	t.Parallel()
	e := record("ehr.lab_report.created")
	e.Time = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for when, want := range map[string]bool{
		`data.status == 'final'`:                                      true,
		`data.status == 'preliminary'`:                                false,
		`data['status'] == 'final'`:                                   true,
		`data.version > 1 && data.version % 2 == 0`:                   true,
		`event.actorid == data.doctorId`:                              true,
		`event.clinicid == '` + clinic.String() + `'`:                 true,
		`event.subjectversion == 2`:                                   true,
		`event.time > timestamp('2026-02-28T00:00:00Z')`:              true,
		`event.time.getMonth() == 2`:                                  true, // CEL counts months from 0.
		`event.type.matches('^ehr[.]') && !event.imported`:            true,
		`event.actorrole in ['doctor', 'none'] && event.source != ''`: true,
	} {
		set := parse(t, one("ehr.lab_report.created", "    when: |\n      "+when+"\n"))
		require.Equal(t, want, len(set.Match(e)) == 1, when)
	}
}

func TestMatch_ReportsAConditionThatFailsAndGoesOn(t *testing.T) {
	t.Parallel()
	set := parse(t, one("user.updated", "    when: has(data.changed) && data.changed[5] == 'email'\n")+
		"  - {name: whole, on: user.updated, recipients: [{user: data.userId}], channels: [email]}\n")
	matches := set.Match(event.Event{Type: "user.updated", Data: json.RawMessage(`{"userId":"` + patient.String() + `","changed":["email"]}`)})
	require.Equal(t, []string{"one", "whole"}, names(matches))
	require.True(t, matches[0].Failed)
	require.False(t, matches[1].Failed)
}

func TestMatch_StopsAConditionThatCostsTooMuch(t *testing.T) {
	t.Parallel()
	set := parse(t, one("user.updated", "    when: has(data.changed) && data.changed.all(x, x.matches('a+b+c+d'))\n"))
	changed, err := json.Marshal(strings.Split(strings.Repeat("aaaaaaaaaaaaaaaaaaaaaaaaaaaabcd ", 5000)+"abcd", " "))
	require.NoError(t, err)
	matches := set.Match(event.Event{Type: "user.updated", Data: json.RawMessage(`{"changed":` + string(changed) + `}`)})
	require.True(t, matches[0].Failed)
}

func TestMatch_SurvivesDataThatIsNotWhatWasDeclared(t *testing.T) {
	t.Parallel()
	set := parse(t, one("ehr.**", "    when: data.status == 'final'\n"))
	for _, data := range []string{`null`, `[]`, `{`, `{"status":7,"userId":7}`, `{"status":"final","userId":null}`} {
		for _, m := range set.Match(event.Event{Type: "ehr.lab_report.created", Data: json.RawMessage(data)}) {
			require.True(t, m.Failed || m.Recipients[0].UserID == uuid.Nil, data)
		}
	}
}

func TestExcludes_SeesTheRecipientAndTheRole(t *testing.T) {
	t.Parallel()
	set := parse(t, `
rules:
  - name: one
    on: ehr.**
    recipients:
      - role: [doctor, nurse]
        unless: recipient.role == 'nurse' || recipient.id == event.actorid
      - user: data.userId
    channels: [email]
`)
	m := set.Match(record("ehr.lab_report.created"))[0]
	excludes := func(i int, id uuid.UUID) bool {
		out, cause := m.Excludes(m.Recipients[i], id)
		require.Empty(t, cause)
		return out
	}
	require.True(t, excludes(0, doctor), "the actor")
	require.False(t, excludes(0, patient))
	require.True(t, excludes(1, patient), "a nurse")
	require.False(t, excludes(2, doctor), "no unless")
}

func TestMatch_HidesImportedEventsUnlessARuleAsksForThem(t *testing.T) {
	t.Parallel()
	e := record("ehr.lab_report.created")
	e.Imported = true
	require.Empty(t, parse(t, one("**", "")).Match(e))
	require.Len(t, parse(t, one("ehr.**", "    imported: true\n")).Match(e), 1)
}

func TestMatch_HidesWhatCouldMakeALoopEvenFromDoubleStar(t *testing.T) {
	t.Parallel()
	set := parse(t, one("**", ""))
	for _, d := range event.Catalog {
		e := event.Event{Type: d.Type, Data: json.RawMessage(`{"userId":"` + patient.String() + `"}`)}
		require.Equal(t, d.RuleVisible, len(set.Match(e)) == 1, d.Type)
	}
}

func TestParse_AllowsASetThatTellsNobody(t *testing.T) {
	t.Parallel()
	require.Empty(t, parse(t, "rules: []\n").Rules)
}
