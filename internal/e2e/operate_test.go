package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// inbox returns the patient's notifications.
func (c *clinic) inbox() []any {
	c.t.Helper()
	a := c.do(patient, http.MethodGet, "/api/notifications", nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	return a.decode(c.t)["items"].([]any)
}

// failedEmail makes the provider reject the patient's email about a new report, and returns the
// report and the delivery.
func (c *clinic) failedEmail() (subject string, delivery uuid.UUID) {
	c.t.Helper()
	fault := c.do(operator, http.MethodPost, "/sandbox/faults", map[string]any{"channel": "email", "to": patient, "status": 400, "probability": 1})
	require.Less(c.t, fault.status, 300, "%s", fault.body)
	subject = "lab_report/" + c.writeReport()
	c.eventually("the email fails", func() bool { return len(ofType(c.story(subject), "notification.failed")) == 1 })
	failed, err := c.commands().ListDeliveries(c.t.Context(), deliveryFilter{State: "failed", Channel: "email", Limit: 10}, uuid.Nil)
	require.NoError(c.t, err)
	require.Len(c.t, failed, 1)
	require.Equal(c.t, subject, failed[0].Subject)
	return subject, failed[0].ID
}

func TestOperators_RedriveAFailedMessageAndItArrives(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	subject, id := c.failedEmail()
	require.Empty(t, c.sandboxMessages("email", patient))
	require.Less(t, c.do(operator, http.MethodDelete, "/sandbox/faults", nil).status, 300)

	require.NoError(t, c.commands().RedriveDelivery(t.Context(), byCLI, id))
	c.eventually("it arrives", func() bool { return len(c.sandboxMessages("email", patient)) == 1 })
	c.eventually("and is recorded", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	var byHand []map[string]any
	for _, e := range ofType(c.story(subject), "notification.planned") {
		if e["actorid"] == "system:cli" {
			byHand = append(byHand, e)
		}
	}
	require.Len(t, byHand, 1, "the story has who sent it again")
	require.ErrorContains(t, c.commands().RedriveDelivery(t.Context(), byCLI, id), "is sent")
	require.ErrorContains(t, c.commands().RedriveDelivery(t.Context(), byCLI, uuid.New()), "no delivery")
}

func TestOperators_GetTheSameExplanationFromTheAPIAndTheCommand(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	subject := "lab_report/" + c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	eventID := ofType(c.story(subject), "ehr.lab_report.created")[0]["id"].(string)

	a := c.do(operator, http.MethodGet, "/api/notifications/explain?event="+eventID, nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	told := a.decode(t)
	require.Equal(t, "decided", told["verdict"])
	rules := told["rules"].([]any)
	require.Len(t, rules, 1)
	require.Equal(t, "record-created", rules[0].(map[string]any)["rule"])
	decisions := rules[0].(map[string]any)["decisions"].([]any)
	require.Len(t, decisions, 6, "three people, two channels")
	for _, d := range decisions {
		require.Equal(t, "sent", d.(map[string]any)["state"])
		require.Equal(t, "rule record-created", d.(map[string]any)["reason"])
	}
	x, err := c.commands().ExplainEvent(t.Context(), uuid.MustParse(eventID))
	require.NoError(t, err)
	require.Len(t, x.Rules[0].Decisions, 6)

	require.Equal(t, http.StatusNotFound, c.do(operator, http.MethodGet, "/api/notifications/explain?event="+uuid.NewString(), nil).status)
	require.Equal(t, http.StatusUnprocessableEntity, c.do(operator, http.MethodGet, "/api/notifications/explain?event=x", nil).status)
	for _, who := range []string{doctor, patient, admin, auditor} {
		require.Equal(t, http.StatusForbidden, c.do(who, http.MethodGet, "/api/notifications/explain?event="+eventID, nil).status, who)
	}
}

func TestOperators_TryRulesOnAnEventBeforeTheyPublishThem(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	subject := "lab_report/" + c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	eventID := ofType(c.story(subject), "ehr.lab_report.created")[0]["id"].(string)
	decisions := func(answer map[string]any) (lines []string) {
		for _, d := range answer["decisions"].([]any) {
			d := d.(map[string]any)
			lines = append(lines, fmt.Sprint(d["rule"], " ", d["recipientId"], " ", d["channel"], " ", d["reason"]))
		}
		slices.Sort(lines)
		return lines
	}
	explained := c.do(operator, http.MethodGet, "/api/notifications/explain?event="+eventID, nil).decode(t)["rules"].([]any)[0].(map[string]any)
	var want []string
	for _, d := range explained["decisions"].([]any) {
		d := d.(map[string]any)
		want = append(want, fmt.Sprint(explained["rule"], " ", d["recipientId"], " ", d["channel"], " ", d["reason"]))
	}
	slices.Sort(want)
	try := func(source string) map[string]any {
		a := c.do(operator, http.MethodPost, "/api/rules/dry-run", map[string]any{"source": source, "eventId": eventID})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		return a.decode(t)
	}
	before := len(c.story(subject))
	current := c.do(operator, http.MethodGet, "/api/rules/current", nil).decode(t)["source"].(string)
	same := try(current)
	require.Equal(t, want, decisions(same), "the rules in force decide as the planner did")
	require.Equal(t, eventID, same["eventId"])

	const draft = "rules:\n  - {name: quiet, on: ehr.*.created, recipients: [user: data.doctorId], channels: [sms]}\n"
	drafted := try(draft)
	require.Len(t, decisions(drafted), 1)
	run, err := c.commands().DryRunRules(t.Context(), "draft.yaml", dryRunRequest{Source: draft, EventID: uuid.MustParse(eventID)})
	require.NoError(t, err)
	require.Equal(t, drafted["decisions"].([]any)[0].(map[string]any)["state"], run.Decisions[0].State)
	require.Len(t, c.story(subject), before, "nothing was written")
}

func TestOperators_RedriveEventsThatFollowersSkipped(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	// Constraints that fail the planner's decision about the report, and its count.
	for _, sql := range []string{
		`ALTER TABLE notifications ADD CONSTRAINT none CHECK (event_type <> 'ehr.lab_report.created')`,
		`ALTER TABLE event_counts ADD CONSTRAINT none CHECK (type <> 'ehr.lab_report.created')`,
	} {
		_, err := c.db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	subject := "lab_report/" + c.writeReport()
	c.eventually("both pass it over", func() bool {
		failures, err := c.commands().ListFailures(t.Context(), "", 0, 10)
		require.NoError(t, err)
		return len(failures) == 2
	})
	position := int64(c.story(subject)[0]["position"].(float64))
	for _, name := range []string{"dispatch", "analytics"} {
		failures, err := c.commands().ListFailures(t.Context(), name, 0, 10)
		require.NoError(t, err)
		require.Len(t, failures, 1)
		require.Equal(t, position, failures[0].Position)
		require.ErrorContains(t, c.commands().RedriveFailure(t.Context(), byCLI, name, position), "still cannot handle", name)
	}
	for _, table := range []string{"notifications", "event_counts"} {
		_, err := c.db.Owner.Exec(t.Context(), `ALTER TABLE `+table+` DROP CONSTRAINT none`)
		require.NoError(t, err)
	}
	for _, name := range []string{"dispatch", "analytics"} {
		require.NoError(t, c.commands().RedriveFailure(t.Context(), byCLI, name, position))
		require.ErrorContains(t, c.commands().RedriveFailure(t.Context(), byCLI, name, position), "already redriven")
	}
	c.eventually("everybody is notified", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	require.Equal(t, 1, c.eventCount(operator, "ehr.lab_report.created", ""))
	require.ErrorContains(t, c.commands().RedriveFailure(t.Context(), byCLI, "dispatch", 1), "no failure at position 1")
	require.ErrorContains(t, c.commands().RedriveFailure(t.Context(), byCLI, "sequencer", 1), "want one of dispatch, analytics")
}

func TestInbox_APersonMarksTheirOwnNotificationsAsRead(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.writeReport()
	c.eventually("the patient is notified", func() bool { return len(c.inbox()) == 1 })
	own := c.inbox()[0].(map[string]any)
	require.NotContains(t, own, "readAt")
	path := fmt.Sprintf("/api/notifications/%s/read", own["id"])

	require.Equal(t, http.StatusNotFound, c.do(doctor, http.MethodPut, path, nil).status, "it is the patient's")
	require.Equal(t, http.StatusNotFound, c.do(operator, http.MethodPut, path, nil).status)
	require.NotContains(t, c.inbox()[0], "readAt")
	a := c.do(patient, http.MethodPut, path, nil)
	require.Equal(t, http.StatusNoContent, a.status, "%s", a.body)
	read := c.inbox()[0].(map[string]any)["readAt"]
	require.NotEmpty(t, read)
	require.Equal(t, http.StatusNoContent, c.do(patient, http.MethodPut, path, nil).status)
	require.Equal(t, read, c.inbox()[0].(map[string]any)["readAt"], "the first time counts")
	require.Equal(t, http.StatusNotFound, c.do(patient, http.MethodPut, "/api/notifications/"+uuid.NewString()+"/read", nil).status)
	require.Equal(t, http.StatusUnprocessableEntity, c.do(patient, http.MethodPut, "/api/notifications/x/read", nil).status)
	require.Equal(t, http.StatusUnauthorized, c.do("", http.MethodPut, path, nil).status)
}

// eventCount returns the total of GET /api/stats/events for the type in the last day.
func (c *clinic) eventCount(as, typ, query string) (total int) {
	c.t.Helper()
	a := c.do(as, http.MethodGet, "/api/stats/events?type="+url.QueryEscape(typ)+query, nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	for _, item := range a.decode(c.t)["items"].([]any) {
		total += int(item.(map[string]any)["count"].(float64))
	}
	return total
}

func TestStats_CountEventsForAdministratorsOfTheClinicAndOperators(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	for range 3 {
		c.writeReport()
	}
	const otherAdmin = "admin@other.example"
	_, clinicID := c.me(admin)
	_, otherClinicID := c.me(otherAdmin)
	c.eventually("the reports are counted", func() bool { return c.eventCount(admin, "ehr.lab_report.created", "") == 3 })
	require.Contains(t, string(c.do("", http.MethodGet, "/metrics", nil).body), `carewire_follower_handled_total{follower="analytics"} `)
	require.Equal(t, 3, c.eventCount(operator, "ehr.*.created", "&clinicId="+clinicID))
	require.Zero(t, c.eventCount(operator, "ehr.*.created", "&clinicId="+otherClinicID))
	require.Zero(t, c.eventCount(otherAdmin, "ehr.*.created", ""), "another clinic's administrator does not see them")
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	require.Zero(t, c.eventCount(admin, "ehr.**", "&to="+url.QueryEscape(yesterday)))
	require.Equal(t, 3, c.eventCount(admin, "ehr.**", "&from="+url.QueryEscape(yesterday)))

	denials := func() (n int) {
		require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = 'access.denied'`).Scan(&n))
		var moved int
		require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE type = 'access.denied'`).Scan(&moved))
		return n + moved
	}
	before := denials()
	for _, who := range []string{patient, doctor, nurse, receptionist, auditor} {
		require.Equal(t, http.StatusForbidden, c.do(who, http.MethodGet, "/api/stats/events", nil).status, who)
	}
	require.Equal(t, http.StatusForbidden, c.do(admin, http.MethodGet, "/api/stats/events?clinicId="+otherClinicID, nil).status)
	c.eventually("each refusal is kept", func() bool { return denials() == before+6 })
	for _, query := range []string{"type=EHR", "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "clinicId=x", "from=yesterday"} {
		require.Equal(t, http.StatusUnprocessableEntity, c.do(admin, http.MethodGet, "/api/stats/events?"+query, nil).status, query)
	}
}
