package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScenario_AReportIsWrittenReadAndHiddenFromOthers(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", c.report())
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		id := a.decode(t)["id"].(string)
		require.Equal(t, "/api/ehr/lab-reports/"+id, a.header.Get("Location"))
		require.Equal(t, `"1"`, a.header.Get("ETag"))

		for _, who := range []string{patient, doctor, nurse} {
			got := c.do(who, http.MethodGet, "/api/ehr/lab-reports/"+id, nil)
			require.Equal(t, http.StatusOK, got.status, "%s: %s", who, got.body)
			require.Contains(t, string(got.body), "Potassium", who)
		}
		for _, who := range []string{receptionist, otherDoctor, admin, operator, auditor} {
			got := c.do(who, http.MethodGet, "/api/ehr/lab-reports/"+id, nil)
			require.Equal(t, http.StatusNotFound, got.status, "%s: %s", who, got.body)
			require.NotContains(t, string(got.body), "Potassium", who)
		}
	})
}

func TestScenario_TheEventCommitsWithTheRecordAndHasItsPerson(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		id := c.writeReport()
		c.eventually("the ledger has the event", func() bool { return len(c.story("lab_report/"+id)) > 0 })
		created := ofType(c.story("lab_report/"+id), "ehr.lab_report.created")
		require.Len(t, created, 1)
		patientID, clinicID := c.me(patient)
		doctorID, _ := c.me(doctor)
		data := created[0]["data"].(map[string]any)
		require.Equal(t, id, data["recordId"])
		require.Equal(t, patientID, data["userId"])
		require.Equal(t, clinicID, data["clinicId"])
		require.Equal(t, doctorID, data["doctorId"])

		// One transaction: if the event cannot be appended, there is no record either. Every instance
		// knows the doctor's token, so that it is the record's event which fails, and not a sign-in's.
		report := c.report()
		for range 3 {
			c.me(doctor)
		}
		_, err := c.db.Owner.Exec(t.Context(), `REVOKE INSERT ON outbox FROM carewire_app`)
		require.NoError(t, err)
		require.GreaterOrEqual(t, c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report).status, 500)
		var records int
		require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM records`).Scan(&records))
		require.Equal(t, 1, records)
	})
}

func TestScenario_OnlyPatientDoctorAndNurseAreNotifiedByPushAndEmail(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		require.Empty(t, c.sandboxMessages("email", ""), "seeding sends no notifications")
		id := c.writeReport()
		for _, who := range []string{patient, doctor, nurse} {
			c.eventually("an email for "+who, func() bool { return len(c.sandboxMessages("email", who)) == 1 })
		}
		c.eventually("three push messages", func() bool { return len(c.sandboxMessages("push", "")) == 3 })
		c.eventually("six sent events", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
		require.Len(t, c.sandboxMessages("email", ""), 3, "nobody else received an email")

		for _, channel := range []string{"email", "push"} {
			for _, m := range c.sandboxMessages(channel, "") {
				require.NotEmpty(t, m["deliveryId"])
				delete(m, "receivedAt") // The digits of the time vary.
				text := fmt.Sprint(m)
				for _, phi := range []string{"Potassium", "2823-3", "4.1", "Winter", "Paula", "metabolic"} {
					require.NotContains(t, text, phi, "a message only has a link")
				}
				require.Contains(t, text, "lab report")
			}
		}
	})
}

func TestScenario_SocketsShowTheEventOnceToAuthorizedPeople(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		sees := map[string]*socket{patient: c.dial(patient, ""), doctor: c.dial(doctor, ""), nurse: c.dial(nurse, "")}
		blind := map[string]*socket{receptionist: c.dial(receptionist, ""), otherDoctor: c.dial(otherDoctor, "")}
		away := c.dial(nurse, "")
		cursor := away.cursor
		require.NoError(t, away.conn.Close())

		id := c.writeReport()
		subject := "lab_report/" + id
		for who, s := range sees {
			require.Len(t, s.await("ehr.lab_report.created", subject), 1, who)
		}
		require.Len(t, c.dial(nurse, cursor).await("ehr.lab_report.created", subject), 1, "one that was away has it too")

		// An event that the outsiders may see shows that their sockets have passed the report.
		a := c.do(admin, http.MethodPost, "/api/users", c.newUser("marker@demo.example"))
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		marker := "user/" + a.decode(t)["id"].(string)
		blind[receptionist].await("user.created", marker)
		require.Empty(t, blind[receptionist].about("ehr.lab_report.created", subject), "the role filter")
		require.Len(t, sees[nurse].about("ehr.lab_report.created", subject), 1, "once, however many rooms match")

		// A member of another clinic sees only events of that clinic.
		_, otherClinicID := c.me(otherDoctor)
		other := c.report()
		other["clinicId"] = otherClinicID
		other["patientId"], _ = c.me("patient@other.example")
		a = c.do(otherDoctor, http.MethodPost, "/api/ehr/lab-reports", other)
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		blind[otherDoctor].await("ehr.lab_report.created", "lab_report/"+a.decode(t)["id"].(string))
		require.Empty(t, blind[otherDoctor].about("ehr.lab_report.created", subject))
	})
}

func (c *clinic) newUser(email string) map[string]any {
	c.t.Helper()
	_, clinicID := c.me(admin)
	return map[string]any{
		"email": email, "givenName": "Mara", "familyName": "Keller", "locale": "en-GB", "timeZone": "Europe/Berlin",
		"clinicId": clinicID, "roles": []string{"patient"},
	}
}

func TestScenario_TheAuditTrailIsComplete(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		id := c.writeReport()
		subject := "lab_report/" + id
		require.Equal(t, http.StatusOK, c.do(patient, http.MethodGet, "/api/ehr/lab-reports/"+id, nil).status)
		require.Equal(t, http.StatusNotFound, c.do(receptionist, http.MethodGet, "/api/ehr/lab-reports/"+id, nil).status)
		c.eventually("all notifications are sent", func() bool {
			s := c.story(subject)
			return len(ofType(s, "notification.sent")) == 6 && len(ofType(s, "record.read")) == 1 && len(ofType(s, "access.denied")) == 1
		})
		story := c.story(subject)
		created := ofType(story, "ehr.lab_report.created")[0]
		doctorID, _ := c.me(doctor)
		patientID, _ := c.me(patient)
		receptionistID, _ := c.me(receptionist)
		require.Equal(t, doctorID, created["actorid"], "who wrote")
		require.Equal(t, patientID, ofType(story, "record.read")[0]["actorid"], "who read")
		require.Equal(t, receptionistID, ofType(story, "access.denied")[0]["actorid"], "who was refused")

		planned := ofType(story, "notification.planned")
		require.Len(t, planned, 3, "planned notifications with their recipients")
		for _, e := range append(planned, ofType(story, "notification.sent")...) {
			require.Equal(t, created["id"], e["causeid"], "each with its cause")
		}
		last := 0.0
		for _, e := range story {
			require.Greater(t, e["position"].(float64), last, "oldest first")
			last = e["position"].(float64)
		}
		require.Equal(t, http.StatusForbidden, c.do(doctor, http.MethodGet, "/api/audit?subject="+subject, nil).status)
	})
}

func TestScenario_TheDashboardIsForTheOperatorOnly(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		id := c.writeReport()
		c.eventually("the jobs ran", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
		c.eventually("the dashboard shows the jobs", func() bool {
			a := c.do(operator, http.MethodGet, "/admin/river/api/jobs?state=completed&kinds=delivery&limit=20", nil)
			return a.status == http.StatusOK && strings.Count(string(a.body), `"kind":"delivery"`) == 6
		})
		entry := c.do(operator, http.MethodGet, "/admin/river/", nil, "Accept", "text/html")
		require.Equal(t, http.StatusSeeOther, entry.status)
		require.Regexp(t, `^/admin/river/jobs\?kind=delivery&state=[a-z]+$`, entry.header.Get("Location"))
		page := c.do(operator, http.MethodGet, entry.header.Get("Location"), nil, "Accept", "text/html")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, string(page.body), `<a href="/" `, "a way back to the start page")
		require.Equal(t, http.StatusForbidden, c.do(doctor, http.MethodGet, "/admin/river/api/jobs", nil).status)
		require.Equal(t, http.StatusUnauthorized, c.do("", http.MethodGet, "/admin/river/api/jobs", nil).status)
		redirect := c.do("", http.MethodGet, "/admin/river", nil, "Accept", "text/html")
		require.Equal(t, http.StatusSeeOther, redirect.status)
		require.True(t, strings.HasPrefix(redirect.header.Get("Location"), "/login"))
	})
}

func TestScenario_TheLinkInAMessageOpensTheRecord(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		id := c.writeReport()
		c.eventually("an email for the patient", func() bool { return len(c.sandboxMessages("email", patient)) == 1 })
		body := c.sandboxMessages("email", patient)[0]["body"].(string)
		_, link, found := strings.Cut(body, c.url)
		require.True(t, found, "a link to the service: %s", body)
		opened := c.do("", http.MethodGet, strings.Fields(link)[0], nil, "Accept", "text/html")
		require.Equal(t, http.StatusFound, opened.status, "%s", opened.body)
		link = strings.TrimPrefix(opened.header.Get("Location"), c.url)
		page := c.do(patient, http.MethodGet, link, nil, "Accept", "text/html")
		require.Equal(t, http.StatusOK, page.status, "%s", page.body)
		require.Contains(t, string(page.body), `href="/records/lab-reports/`+id)
		require.Contains(t, string(c.do(patient, http.MethodGet, "/records/lab-reports/"+id, nil, "Accept", "text/html").body), "Potassium")
		require.Equal(t, http.StatusNotFound, c.do(doctor, http.MethodGet, link, nil).status, "it is hidden from others")
		require.Equal(t, http.StatusSeeOther, c.do("", http.MethodGet, link, nil, "Accept", "text/html").status, "sign in first")
	})
}

func TestScenario_ADeniedRoomIsAudited(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		patientID, _ := c.me(patient)
		room := "patient:" + patientID
		caring := c.dial(nurse, "")
		caring.send(map[string]string{"type": "subscribe", "id": "1", "room": room})
		require.Equal(t, "subscribed", caring.reply()["type"])
		stranger := c.dial(otherDoctor, "")
		stranger.send(map[string]string{"type": "subscribe", "id": "1", "room": room})
		refused := stranger.reply()
		require.Equal(t, "error", refused["type"])
		require.Equal(t, "forbidden", refused["code"])
		c.eventually("the refusal is in the ledger", func() bool { return len(ofType(c.story("room/"+room), "access.denied")) == 1 })
		strangerID, _ := c.me(otherDoctor)
		require.Equal(t, strangerID, c.story("room/" + room)[0]["actorid"])
	})
}

func TestScenario_ACriticalResultNotifiesThoseWhoMustActRegardlessOfPreferences(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	for _, who := range []string{doctor, nurse} {
		for _, channel := range []string{"email", "push"} {
			off := c.do(who, http.MethodPut, "/api/me/preferences", map[string]any{"category": "clinical", "channel": channel, "enabled": false})
			require.Less(t, off.status, 300, "%s", off.body)
		}
	}
	report := c.report()
	report["results"].([]any)[0].(map[string]any)["interpretation"] = "AA"
	a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	subject := "lab_report/" + a.decode(t)["id"].(string)
	for _, who := range []string{doctor, nurse} {
		c.eventually("an email for "+who, func() bool { return len(c.sandboxMessages("email", who)) == 1 })
		require.Contains(t, c.sandboxMessages("email", who)[0]["subject"], "Urgent")
	}
	c.eventually("a push message each", func() bool {
		return len(c.sandboxMessages("push", "demo-device-doctor")) == 1 && len(c.sandboxMessages("push", "demo-device-nurse")) == 1
	})
	// The patient is notified after the doctor's review, and not that the result is critical.
	path := "/api/ehr/lab-reports/" + strings.TrimPrefix(subject, "lab_report/")
	c.eventually("the patient's messages wait", func() bool { return len(ofType(c.story(subject), "notification.held")) == 1 })
	require.Equal(t, http.StatusNotFound, c.do(patient, http.MethodGet, path, nil).status)
	require.Empty(t, c.sandboxMessages("email", patient))
	require.Equal(t, http.StatusOK, c.do(doctor, http.MethodGet, path, nil).status)
	require.Equal(t, http.StatusOK, c.do(patient, http.MethodGet, path, nil).status)
	c.eventually("the patient is notified of the report", func() bool {
		return len(c.sandboxMessages("email", patient)) == 1 && len(ofType(c.story(subject), "notification.sent")) == 6
	})
	for _, m := range append(c.sandboxMessages("email", patient), c.sandboxMessages("push", "demo-device-patient")...) {
		require.NotContains(t, fmt.Sprint(m), "Urgent")
	}
	story := c.story(subject)
	created, critical := ofType(story, "ehr.lab_report.created"), ofType(story, "ehr.lab_report.critical")
	require.Len(t, critical, 1)
	require.Equal(t, created[0]["id"], critical[0]["causeid"])
	urgent := 0
	for _, e := range ofType(story, "notification.sent") {
		if e["causeid"] == critical[0]["id"] {
			urgent++
		}
	}
	require.Equal(t, 4, urgent, "push and email, to the doctor and the nurse")
}
