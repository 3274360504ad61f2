package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// outcomes lists what an event of the type about the subject came to: "person channel state: reason", with the decisions
// against telling after those for it.
func (d *dispatcher) outcomes(typ, subject string) (all []string) {
	d.t.Helper()
	var id uuid.UUID
	require.NoError(d.t, d.db.Owner.QueryRow(d.t.Context(), `SELECT event_id FROM events WHERE type = $1 AND subject = $2 ORDER BY position DESC LIMIT 1`, typ, subject).Scan(&id))
	w := d.do(operator, http.MethodGet, "/api/notifications/explain?event="+id.String(), nil)
	require.Equal(d.t, http.StatusOK, w.Code, "%s", w.Body)
	names := map[string]string{}
	for email, id := range d.ids {
		names[id.String()], _, _ = strings.Cut(email, "@")
	}
	for _, r := range decode(d.t, w)["rules"].([]any) {
		rule := r.(map[string]any)
		for _, x := range rule["decisions"].([]any) {
			decision := x.(map[string]any)
			recipient, _ := decision["recipientId"].(string)
			channel, _ := decision["channel"].(string)
			if channel == "push" {
				continue // Nobody has a device here.
			}
			line := strings.TrimSpace(names[recipient] + " " + channel)
			all = append(all, strings.TrimSpace(line+" "+decision["state"].(string)+": "+decision["reason"].(string)))
		}
	}
	return all
}

func TestTold_ARecordIsForThePatientItsDoctorAndTheCareTeam(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	const stranger = "stranger@demo.example"
	d.hire(stranger, "nurse", false)
	path := d.post(t, nurse, "/api/ehr/lab-reports", with(d.report(), "doctorId", d.ids[doctor]))
	d.plan()
	require.ElementsMatch(t, []string{
		"patient email queued: rule record-created", "doctor email queued: rule record-created", "nurse not_sent: unless",
	}, d.outcomes("ehr.lab_report.created", subjectOf(path)))
	require.Zero(t, d.inbox(stranger, path), "who is not on the care team cannot read it either")

	// Off the care team and out of the clinic: nothing any more.
	draft := with(with(d.report(), "doctorId", d.ids[doctor]), "status", "preliminary")
	late := d.post(t, nurse, "/api/ehr/lab-reports", draft)
	d.plan()
	require.Empty(t, d.told(patient, late), "a draft is told to nobody")
	require.Empty(t, d.told(doctor, late))
	d.exec(`DELETE FROM care_team WHERE member_id = $1`, d.ids[nurse])
	d.exec(`UPDATE memberships SET revoked_at = now() WHERE user_id = $1`, d.ids[doctor])
	const successor = "successor@demo.example"
	d.hire(successor, "doctor", true)
	w := d.do(successor, http.MethodPut, late, with(draft, "status", "final"), "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	d.plan()
	require.ElementsMatch(t, []string{
		"patient email queued: rule record-released", "doctor not_sent: no_longer_at_clinic", "successor not_sent: unless",
	}, d.outcomes("ehr.lab_report.released", subjectOf(late)))
}

func TestTold_ARoleIsToldOnlyOfWhatItMayRead(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	d.hire("stranger@demo.example", "nurse", false)
	rules := `rules: [{name: everybody, on: "ehr.*.created", recipients: [{role: [doctor, nurse, receptionist, admin]}], channels: [email]}]`
	d.post(t, operator, "/api/rules", map[string]any{"source": rules})
	path := d.writeReport()
	d.plan()
	require.ElementsMatch(t, []string{
		"doctor email queued: rule everybody", "nurse email queued: rule everybody",
		"stranger not_sent: may_not_read", "receptionist not_sent: may_not_read", "admin not_sent: may_not_read",
	}, d.outcomes("ehr.lab_report.created", subjectOf(path)))
}

func TestTold_ACriticalFindingReachesSomebodyOrTheOperators(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	unverified := func(who ...string) {
		for _, email := range who {
			d.exec(`UPDATE users SET email_verified = false WHERE id = $1`, d.ids[email])
		}
	}
	d.hire("elsewhere@demo.example", "doctor", false)
	draft := with(d.critical("7.1"), "status", "preliminary")
	critical := func() []string {
		path := d.post(t, nurse, "/api/ehr/lab-reports", draft)
		d.plan()
		return d.outcomes("ehr.lab_report.critical", subjectOf(path))
	}
	require.ElementsMatch(t, []string{"doctor email queued: rule critical-result", "nurse not_sent: unless"}, critical())
	d.hire("second@demo.example", "doctor", true)
	unverified(doctor)
	require.Contains(t, critical(), "second email queued: rule critical-result")

	unverified("second@demo.example")
	require.ElementsMatch(t, []string{
		"doctor email suppressed: address_unverified", "second email suppressed: address_unverified", "nurse not_sent: unless",
		"not_sent: fallback_care_team", "not_sent: fallback_clinic_doctors",
		"elsewhere email queued: fallback_clinic_doctors, rule critical-result",
	}, critical())
	require.Zero(t, d.unreached)
	var template string
	require.NoError(t, d.db.Owner.QueryRow(t.Context(), `SELECT template FROM deliveries WHERE recipient_id = $1 AND state = 'queued'`, d.ids["elsewhere@demo.example"]).Scan(&template))
	require.Equal(t, "critical_unattended", template)

	unverified("elsewhere@demo.example")
	require.Contains(t, critical(), "not_sent: reached_nobody")
	require.Equal(t, 1, d.unreached)
}

func TestTold_ADoctorOfLastResortReadsOnceTheyAreOnTheCareTeam(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	const last = "last@demo.example"
	d.hire(last, "doctor", false)
	d.exec(`UPDATE users SET email_verified = false WHERE id = ANY($1)`, []uuid.UUID{d.ids[doctor], d.ids[nurse]})
	path := d.post(t, doctor, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	require.Contains(t, d.told(last, path), "email queued: fallback_clinic_doctors, rule critical-result")
	require.False(t, d.sees(last, path), "being told grants nothing")
	w := d.do(admin, http.MethodPut, "/api/patients/"+d.ids[patient].String()+"/care-team/"+d.clinicID.String()+"/"+d.ids[last].String(), nil)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.True(t, d.sees(last, path))
	require.Equal(t, http.StatusOK, d.do(last, http.MethodPost, path+"/acknowledge", nil).Code)
}

func TestTold_AppointmentsAndReadingsGoWhereTheyAreActedOn(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	d.openDaily()
	w := d.do(patient, http.MethodPost, "/api/appointments", d.appointment(1))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	path := w.Header().Get("Location")
	subject := "appointment/" + path[strings.LastIndexByte(path, '/')+1:]
	d.plan()
	require.ElementsMatch(t, []string{"patient email queued: rule appointment-requested", "receptionist email queued: rule appointment-to-desk"},
		d.outcomes("appointment.requested", subject))
	require.Equal(t, 1, d.inboxOf(receptionist, subject))
	w = d.do(receptionist, http.MethodPost, path+"/book", nil, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	d.plan()
	require.ElementsMatch(t, []string{
		"patient email queued: rule appointment", "doctor email queued: rule appointment",
		"patient email planned: rule appointment-reminder/24h-before-startsAt", "patient email planned: rule appointment-reminder/1h-before-startsAt",
	}, d.outcomes("appointment.booked", subject))

	g := d.letIn("gateway")
	for urgency, rule := range map[string]string{"routine": "", "urgent": "urgent-reading", "emergency": "emergency-reading"} {
		reading := withData(g.reading(), "urgency", urgency)
		sent := g.post(structured, reading)
		require.Equal(t, http.StatusAccepted, sent.Code, "%s", sent.Body)
		d.plan()
		var want []string
		if rule != "" {
			want = []string{"doctor email queued: rule " + rule, "nurse email queued: rule " + rule}
		}
		require.ElementsMatch(t, want, d.outcomes("device.reading_received", reading["subject"].(string)), urgency)
	}
}

// inboxOf counts the person's notifications of a subject.
func (d *dispatcher) inboxOf(who, subject string) int {
	d.t.Helper()
	w := d.do(who, http.MethodGet, "/api/notifications?limit=200", nil)
	require.Equal(d.t, http.StatusOK, w.Code, "%s", w.Body)
	return strings.Count(w.Body.String(), subject)
}
