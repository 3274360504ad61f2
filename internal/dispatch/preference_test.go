package dispatch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/docs"
)

// defaults replaces those of the clinic, or of the installation for nil.
func (b *bundle) defaults(clinicID any, settings string, essential ...string) {
	b.tb.Helper()
	if essential == nil {
		essential = []string{}
	}
	b.exec(`INSERT INTO notification_defaults (clinic_id, version, settings, essential, updated_at, updated_by) VALUES ($1, 1, $2, $3, now(), '')
		ON CONFLICT ON CONSTRAINT notification_defaults_key DO UPDATE SET settings = excluded.settings, essential = excluded.essential`, clinicID, settings, essential)
}

// emails returns a default for clinical emails, or none for "".
func emails(setting string) string {
	if setting == "" {
		return "{}"
	}
	return fmt.Sprintf(`{"clinical/email": %q}`, setting)
}

// The planner and the SQL function that fallbacks use do what the table of precedence in
// docs/notifications.md says. A cell that may have any value is tried as not set and as off.
func TestPlanner_DecidesAsTheDocumentedTableOfPreferencesSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" + aRule("normal", "ehr.lab_report.created", "    channels: [email]\n") +
		aRule("critical", "ehr.lab_report.amended", "    channels: [email]\n    priority: critical\n"))
	reasons := map[string]string{"person_clinic": "preference_off", "person": "preference_off", "clinic_default": "clinic_default_off", "installation_default": "installation_default_off"}
	page, err := docs.Files.ReadFile("notifications.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| priority | essential |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	doctor, tried := b.user("doc"), 0
	for _, line := range strings.Split(table, "\n")[2:] {
		for _, otherwise := range []string{"", "off"} {
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
				cell = strings.Trim(cell, " `")
				switch cell {
				case "any":
					cell = otherwise
				case "not set":
					cell = ""
				}
				cells = append(cells, cell)
			}
			tried++
			patient := b.user(fmt.Sprintf("pat%d", tried))
			for at, clinic := range map[int]any{2: b.clinic, 3: nil} {
				if cells[at] != "" {
					b.exec(`INSERT INTO preferences (user_id, clinic_id, category, channel, setting) VALUES ($1, $2, 'clinical', 'email', $3)`, patient, clinic, cells[at])
				}
			}
			var essential []string
			if cells[1] == "yes" || cells[1] == "off" {
				essential = []string{"clinical"}
			}
			if tried%2 == 0 {
				b.defaults(b.clinic, emails(cells[4]), essential...)
				b.defaults(nil, emails(cells[5]))
			} else {
				b.defaults(b.clinic, emails(cells[4]))
				b.defaults(nil, emails(cells[5]), essential...)
			}
			e := b.record("ehr.lab_report.created", patient, doctor)
			rule := "normal"
			if cells[0] == "critical" {
				e, rule = b.record("ehr.lab_report.amended", patient, doctor), "critical"
			} else {
				require.Equal(t, cells[6], one[string](b, `SELECT preference_setting($1, $2, 'clinical', 'email')`, patient, b.clinic), line)
			}
			b.handle(e)
			want := fmt.Sprintf("pat%d email queued %s: rule %s", tried, rule, rule)
			if cells[6] == "off" {
				want = fmt.Sprintf("pat%d email suppressed %s: %s", tried, rule, reasons[cells[7]])
			}
			if cells[6] == "digest" && rule == "normal" {
				require.Empty(t, b.told(e), line)
				require.Equal(t, "digest:daily", one[string](b, `SELECT reason FROM digest_items WHERE event_position = $1`, e.Position), line)
				continue
			}
			require.Equal(t, []string{want}, b.told(e), line)
		}
	}
	require.Equal(t, 36, tried)
}

func TestPlanner_LooksAtThePreferencesForTheEventsClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(toPatient("ehr.*.created", "    channels: [email, push]\n"))
	elsewhere := newID()
	b.exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'South', 'UTC')`, elsewhere)
	patient, doctor := b.user("pat"), b.user("doc")
	b.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, 'patient')`, newID(), patient, elsewhere)
	for _, clinic := range []uuid.UUID{b.clinic, elsewhere} {
		b.defaults(clinic, `{"clinical/email": "off", "clinical/push": "off"}`)
	}
	b.exec(`INSERT INTO preferences (user_id, clinic_id, category, channel, setting) VALUES ($1, $2, 'clinical', 'email', 'on'), ($1, NULL, 'billing', 'push', 'on')`, patient, b.clinic)
	here := b.record("ehr.lab_report.created", patient, doctor)
	there := b.record("ehr.lab_report.created", patient, doctor)
	there.ClinicID = &elsewhere
	b.handle(here, there)
	require.Equal(t, []string{"pat email queued normal: rule one", "pat push suppressed normal: clinic_default_off"}, b.told(here))
	require.Equal(t, []string{"pat email suppressed normal: clinic_default_off", "pat push suppressed normal: clinic_default_off"}, b.told(there))

	b.defaults(b.clinic, `{}`)
	again := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(again)
	require.Equal(t, []string{"pat email queued normal: rule one", "pat push queued normal: rule one"}, b.told(again), "nothing is cached")
}
