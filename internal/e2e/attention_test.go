package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// advance moves the sandbox's clock of what is due.
func (c *clinic) advance(by string) {
	c.t.Helper()
	a := c.do("", http.MethodPost, "/sandbox/clock", map[string]string{"advance": by})
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
}

// waiting returns the times at which the patient's planned notifications are due, in their order.
func (c *clinic) waiting() []string {
	c.t.Helper()
	times := []string{}
	for _, n := range c.inState(patient, "planned") {
		times = append(times, n["dueAt"].(string))
	}
	slices.Sort(times)
	return times
}

// inState returns the person's notifications with a message in the state.
func (c *clinic) inState(who, state string) (all []map[string]any) {
	c.t.Helper()
	a := c.do(who, http.MethodGet, "/api/notifications?state="+state, nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	for _, n := range a.decode(c.t)["items"].([]any) {
		all = append(all, n.(map[string]any))
	}
	return all
}

// quiet says whether no message is on its way; reminders may wait.
func (c *clinic) quiet() bool {
	return c.query(`
		SELECT count(*) FROM deliveries AS d
		JOIN notifications AS n USING (event_position, recipient_id, plan_key)
		WHERE d.state IN ('planned', 'queued') AND n.due_at IS NULL`) == 0
}

// publishRules puts a rule set in force.
func (c *clinic) publishRules(source string) {
	c.t.Helper()
	a := c.do(operator, http.MethodPost, "/api/rules", map[string]any{"source": source})
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
}

func TestReminders_MoveWithTheirAppointmentAndEndWithIt(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		in := c.appointment()
		a := c.do(receptionist, http.MethodPost, "/api/appointments", in)
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		path := "/api/appointments/" + a.decode(t)["id"].(string)
		starts, err := time.Parse(time.RFC3339, in["startsAt"].(string))
		require.NoError(t, err)
		before := func(starts time.Time) []string {
			return []string{starts.Add(-24 * time.Hour).Format(time.RFC3339), starts.Add(-time.Hour).Format(time.RFC3339)}
		}
		c.eventually("two reminders wait", func() bool { return slices.Equal(before(starts), c.waiting()) })
		require.Empty(t, c.inState(doctor, "planned"), "they are the patient's")
		c.eventually("the booking's own messages are sent, none of which the move can take back", c.quiet)

		moved := starts.Add(30 * time.Minute)
		a = c.do(receptionist, http.MethodPost, path+"/reschedule", map[string]any{
			"startsAt": moved.Format(time.RFC3339), "endsAt": moved.Add(30 * time.Minute).Format(time.RFC3339),
		}, "If-Match", a.header.Get("ETag"))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		c.eventually("they have moved", func() bool { return slices.Equal(before(moved), c.waiting()) })
		c.eventually("the move's own messages are sent", c.quiet)
		require.Len(t, c.sandboxMessages("push", "demo-device-patient"), 2)
		c.advance(fmt.Sprintf("%ds", int(time.Until(moved.Add(-2*time.Hour)).Seconds())))
		c.eventually("the first reminder is pushed", func() bool {
			all := c.sandboxMessages("push", "demo-device-patient")
			return len(all) == 3 && all[0]["title"] == "Reminder of your appointment"
		})
		require.Len(t, c.waiting(), 1)
		c.eventually("so is its email", c.quiet)

		a = c.do(patient, http.MethodPost, path+"/cancel", map[string]string{"reason": "other"}, "If-Match", a.header.Get("ETag"))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		require.Empty(t, c.waiting(), "cancelled in the transaction of the cancellation")
		require.Len(t, c.inState(patient, "cancelled"), 3)
		c.eventually("the cancellation is pushed", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) == 4 })
		c.advance("3h")
		c.eventually("the ledger has everything", func() bool {
			return c.query(`SELECT count(*) FROM deliveries WHERE state IN ('planned', 'queued')`) == 0
		})
		require.Len(t, c.sandboxMessages("push", "demo-device-patient"), 4, "no reminder of a cancelled appointment")
	})
}

func TestDigest_FiveReportsReachThePatientAsOneEmail(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		c.publishRules(`rules:
  - name: reports
    on: ehr.lab_report.created
    recipients: [user: data.userId]
    channels: [push, email]
    digest: {window: 10m, key: [recipient, category], channels: [email]}
`)
		for range 5 {
			c.writeReport()
		}
		c.eventually("each is pushed", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) == 5 })
		require.Empty(t, c.sandboxMessages("email", patient))
		c.advance("11m")
		c.eventually("one email", func() bool { return len(c.sandboxMessages("email", patient)) == 1 })
		require.Contains(t, c.sandboxMessages("email", patient)[0]["body"], "5 lab reports")
		require.NotContains(t, fmt.Sprint(c.sandboxMessages("email", patient)[0]), "Potassium")
	})
}

func TestQuietHours_NothingRingsExceptACriticalResultWhichMustBeAcknowledged(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.publishRules(`rules:
  - {name: reports, on: ehr.lab_report.created, recipients: [{user: data.userId}], channels: [push]}
  - name: critical
    on: ehr.*.critical
    recipients: [{user: data.doctorId}]
    channels: [push]
    priority: critical
    template: critical_result
    escalate: {after: 5m, unless: acknowledged, to: {role: [nurse]}, channels: [push]}
`)
	now := time.Now().UTC()
	for _, who := range []string{patient, doctor} {
		a := c.do(who, http.MethodPut, "/api/me/preferences", map[string]any{
			"timeZone": "UTC", "quietHours": []any{map[string]any{"from": now.Add(-time.Hour).Format("15:04"), "to": now.Add(8 * time.Hour).Format("15:04")}},
		})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	}
	c.writeReport()
	c.eventually("it waits for the morning", func() bool { return len(c.waiting()) == 1 })
	critical := c.report()
	critical["results"].([]any)[0].(map[string]any)["interpretation"] = "HH"
	alarm := func() {
		a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", critical)
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	}
	alarm()
	c.eventually("the doctor is told at once", func() bool { return len(c.sandboxMessages("push", "demo-device-doctor")) == 1 })
	open := c.do(doctor, http.MethodGet, "/api/notifications?unacknowledged=true", nil).decode(t)["items"].([]any)
	require.Len(t, open, 1)
	c.eventually("the message is accepted", func() bool {
		return c.query(`SELECT count(*) FROM deliveries WHERE rule = 'critical' AND state = 'sent'`) == 1
	})
	c.advance("6m")
	c.eventually("the nurse is told, as nobody has acknowledged it", func() bool { return len(c.sandboxMessages("push", "demo-device-nurse")) == 1 })

	alarm()
	c.eventually("the doctor is told again", func() bool { return len(c.sandboxMessages("push", "demo-device-doctor")) == 2 })
	open = c.do(doctor, http.MethodGet, "/api/notifications?unacknowledged=true", nil).decode(t)["items"].([]any)
	newest := open[0].(map[string]any)["id"].(string)
	a := c.do(doctor, http.MethodPost, "/api/notifications/"+newest+"/acknowledge", nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.EqualValues(t, 1, a.decode(t)["escalationsEnded"])
	require.Equal(t, http.StatusNotFound, c.do(nurse, http.MethodPost, "/api/notifications/"+newest+"/acknowledge", nil).status)
	c.advance("10m")
	require.Empty(t, c.sandboxMessages("push", "demo-device-patient"), "nothing rings before the end of the quiet hours")
	c.advance("9h")
	c.eventually("the report rings in the morning", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) >= 1 })
	require.Len(t, c.sandboxMessages("push", "demo-device-nurse"), 1, "the acknowledged one went no further")

	event := c.do(patient, http.MethodGet, "/api/notifications?limit=1", nil).decode(t)["items"].([]any)[0].(map[string]any)["eventId"].(string)
	nurseID, _ := c.me(nurse)
	x := c.do(operator, http.MethodGet, "/api/notifications/explain?event="+event+"&person="+nurseID, nil).decode(t)
	require.Equal(t, false, x["person"].(map[string]any)["named"])
	require.NotEmpty(t, x["person"].(map[string]any)["nearest"])
}

func TestThrottle_WhatIsTooMuchArrivesAsOneMessageLater(t *testing.T) {
	t.Parallel()
	c := openThree(t)
	c.publishRules(`rules:
  - name: reports
    on: ehr.lab_report.created
    recipients: [user: data.userId]
    channels: [push]
    throttle: {max: 2, per: 1h}
`)
	for range 5 {
		c.writeReport()
	}
	c.eventually("all are decided", func() bool {
		return c.query(`SELECT (SELECT count(*) FROM deliveries WHERE state = 'sent') + (SELECT count(*) FROM digest_items)`) == 5
	})
	require.Len(t, c.sandboxMessages("push", "demo-device-patient"), 2)
	c.advance("61m")
	c.eventually("the others arrive as one", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) == 3 })
	require.Contains(t, fmt.Sprint(c.sandboxMessages("push", "demo-device-patient")[0]), "3 ")
	require.Len(t, c.do(patient, http.MethodGet, "/api/inbox", nil).decode(t)["items"], 5, "the inbox has each")
}

func TestPreferences_ACategoryIsADailyDigestAndAnEssentialOneCannotBeSwitchedOff(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.publishRules(`rules: [{name: reports, on: ehr.lab_report.created, recipients: [{user: data.userId}], channels: [push, email]}]`)
	patientID, clinicID := c.me(patient)
	path := "/api/clinics/" + clinicID + "/notification-defaults"
	a := c.do(admin, http.MethodGet, path, nil)
	a = c.do(admin, http.MethodPut, path, map[string]any{"essential": []string{"clinical"}}, "If-Match", a.header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	choose := func(setting string) answer {
		return c.do(patient, http.MethodPut, "/api/me/preferences", map[string]any{
			"timeZone": "Asia/Kolkata", "digestHour": 18, "items": []any{map[string]any{"category": "clinical", "channel": "push", "setting": setting}},
		})
	}
	a = choose("off")
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Contains(t, string(a.body), "essential")
	require.Equal(t, http.StatusOK, choose("digest").status)
	for range 3 {
		c.writeReport()
	}
	c.eventually("the emails are sent", func() bool { return len(c.sandboxMessages("email", patient)) == 3 })
	require.Empty(t, c.sandboxMessages("push", "demo-device-patient"))
	due := c.query(`SELECT extract(hour FROM due_at AT TIME ZONE 'Asia/Kolkata')::integer FROM audit.digests`)
	require.Equal(t, 18, due)
	c.advance("24h")
	c.eventually("the digest is pushed", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) == 1 })

	doctorID, _ := c.me(doctor)
	read := c.do(admin, http.MethodGet, "/api/users/"+doctorID+"/preferences", nil)
	require.Equal(t, http.StatusOK, read.status, "an administrator reads them")
	require.Equal(t, http.StatusMethodNotAllowed, c.do(admin, http.MethodPut, "/api/users/"+doctorID+"/preferences", map[string]any{"digestHour": 3}).status)
	changed := ofType(c.story("user/"+patientID), "user.preference_changed")
	require.NotEmpty(t, changed)
}
