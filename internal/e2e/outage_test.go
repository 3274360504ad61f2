package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// breakFor adds a fault to the sandbox.
func (c *clinic) breakFor(fault map[string]any) {
	c.t.Helper()
	a := c.do(operator, http.MethodPost, "/sandbox/faults", fault)
	require.Equal(c.t, http.StatusCreated, a.status, "%s", a.body)
}

func (c *clinic) mend() {
	c.t.Helper()
	require.Equal(c.t, http.StatusNoContent, c.do(operator, http.MethodDelete, "/sandbox/faults", nil).status)
}

// attempts returns the number of attempts on the channel with an outcome, from /metrics.
func (c *clinic) attempts(channel, outcome string) int {
	c.t.Helper()
	line := regexp.MustCompile(`carewire_delivery_attempts_total{channel="` + channel + `",outcome="` + outcome + `"} (\d+)`)
	found := line.FindSubmatch(c.do("", http.MethodGet, "/metrics", nil).body)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(c.t, err)
	return n
}

func TestFaults_AnOutageOpensTheBreakerUsesNoAttemptAndAllIsDeliveredAfterwards(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	const enough = 1000
	c.breakFor(map[string]any{"channel": "email", "status": 503, "count": enough})
	var subjects []string
	for range 8 {
		subjects = append(subjects, "lab_report/"+c.writeReport())
	}
	const emails = 24 // Patient, doctor and nurse, for each report.
	c.eventually("push messages go out all the same", func() bool { return len(c.sandboxMessages("push", "")) == emails })
	c.within(2*patience, "deliveries are held back", func() bool { return c.attempts("email", "held") >= emails })
	var faults []struct{ Left int }
	require.NoError(t, json.Unmarshal(c.do("", http.MethodGet, "/sandbox/faults", nil).body, &faults))
	require.Len(t, faults, 1)
	refused := enough - faults[0].Left
	require.LessOrEqual(t, refused, 2*(emails+16), "each of the two providers is left alone but for a probe now and then")
	require.Empty(t, c.sandboxMessages("email", ""))

	c.mend()
	c.within(3*patience, "all of them arrive", func() bool { return len(c.sandboxMessages("email", "")) == emails })
	for _, subject := range subjects {
		c.eventually("and recorded", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	}
	require.Len(t, c.sandboxMessages("email", ""), emails, "none came twice")
	calls := c.query(`SELECT sum(attempt) FROM deliveries WHERE channel = 'email'`)
	require.GreaterOrEqual(t, 2*calls, refused+emails)
	require.Equal(t, c.attempts("email", "retried")+emails, calls, "an attempt is at most one call of each provider, being held back is none")
	require.Equal(t, 0, c.query(`SELECT count(*) FROM deliveries WHERE state <> 'sent' OR possible_duplicate`))
}

func TestFaults_TheFallbackIsUsedWithoutAnAddressAndAfterARejection(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	version, err := c.commands().PublishRules(t.Context(), byCLI, filepath.Join("testdata", "fallback.yaml"), []byte(`
rules:
  - name: push-or-email
    on: ehr.lab_report.created
    recipients:
      - user: data.userId
      - careTeam: [doctor, nurse]
    channels: [push]
    fallback: [email]
`), "fallbacks")
	require.NoError(t, err)
	require.Equal(t, int32(2), version)
	_, err = c.db.Owner.Exec(t.Context(), "DELETE FROM devices WHERE token = 'demo-device-nurse'")
	require.NoError(t, err)
	c.breakFor(map[string]any{"channel": "push", "to": "demo-device-patient", "status": 400})
	subject := "lab_report/" + c.writeReport()

	c.eventually("each is notified on one channel", func() bool {
		return len(ofType(c.story(subject), "notification.sent")) == 3 && len(ofType(c.story(subject), "notification.failed")) == 1
	})
	require.Len(t, c.sandboxMessages("email", nurse), 1, "who has no device, at planning")
	require.Len(t, c.sandboxMessages("email", patient), 1, "after the device was rejected")
	require.Len(t, c.sandboxMessages("email", ""), 2)
	require.Len(t, c.sandboxMessages("push", "demo-device-doctor"), 1)
	require.Len(t, c.sandboxMessages("push", ""), 1)
	eventID := ofType(c.story(subject), "ehr.lab_report.created")[0]["id"].(string)
	why := string(c.do(operator, http.MethodGet, "/api/notifications/explain?event="+eventID, nil).body)
	require.Contains(t, why, "fallback for push", "the explanation has the fallback")
}

func TestFaults_EveryDeliveryEndsEvenIfItsJobIsLost(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	// The doctor's email is accepted without a response, the other two are rejected temporarily.
	c.breakFor(map[string]any{"channel": "email", "to": doctor, "acceptThenHang": true})
	c.breakFor(map[string]any{"channel": "email", "status": 503})
	subject := "lab_report/" + c.writeReport()
	job := func(who string) int {
		id, _ := c.me(who)
		return c.query(`SELECT j.id FROM river.river_job AS j JOIN deliveries AS d ON j.args ->> 'deliveryId' = d.id::text
			WHERE d.channel = 'email' AND d.recipient_id::text = $1`, id)
	}
	c.eventually("all are planned", func() bool { return c.query(`SELECT count(*) FROM deliveries`) == 6 })
	cancelled := job(patient)
	c.eventually("the patient's job waits for its next attempt: a running one would be uncertain", func() bool {
		return c.query(`SELECT count(*) FROM river.river_job
			WHERE id = $1 AND state IN ('retryable', 'scheduled') AND scheduled_at > now() + interval '200 milliseconds'`, cancelled) == 1
	})
	a := c.do(operator, http.MethodPost, "/admin/river/api/jobs/cancel", fmt.Sprintf(`{"ids": ["%d"]}`, cancelled))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	_, err := c.db.Owner.Exec(t.Context(), `DELETE FROM river.river_job WHERE id = $1`, job(nurse))
	require.NoError(t, err)
	c.within(2*patience, "the doctor's email is uncertain", func() bool {
		a := c.do(operator, http.MethodGet, "/api/notifications?state=uncertain", nil)
		return len(a.decode(t)["items"].([]any)) == 1
	})
	require.Len(t, c.sandboxMessages("email", doctor), 1)
	c.mend()

	// An hour passes. The sweep runs within moments.
	_, err = c.db.Owner.Exec(t.Context(), `UPDATE deliveries SET updated_at = updated_at - interval '1 hour', deadline_at = deadline_at - interval '1 hour',
		attempt_started_at = attempt_started_at - interval '1 hour' WHERE state IN ('queued', 'uncertain')`)
	require.NoError(t, err)
	c.within(3*patience, "all are settled", func() bool {
		return c.query(`SELECT count(*) FROM deliveries WHERE state IN ('queued', 'uncertain')`) == 0
	})
	codes := map[string]any{}
	c.eventually("and recorded", func() bool {
		for _, e := range ofType(c.story(subject), "notification.failed") {
			data := e["data"].(map[string]any)
			codes[data["userId"].(string)] = data["code"]
		}
		return len(codes) == 2 && len(ofType(c.story(subject), "notification.sent")) == 4
	})
	doctorID, _ := c.me(doctor)
	patientID, _ := c.me(patient)
	require.Equal(t, map[string]any{doctorID: "no_receipt", patientID: "cancelled"}, codes)
	require.Len(t, c.sandboxMessages("email", doctor), 1, "an uncertain email is not sent again")
	require.Empty(t, c.sandboxMessages("email", patient), "a cancelled email is not sent")
	require.Len(t, c.sandboxMessages("email", nurse), 1, "a delivery without a job gets a new one")
}
