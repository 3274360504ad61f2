package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/rule"
)

// psql runs a statement as the owner of the database, bypassing the service's checks.
func (c *clinic) psql(sql string, args ...any) {
	c.t.Helper()
	_, err := c.db.Owner.Exec(c.t.Context(), sql, args...)
	require.NoError(c.t, err)
}

// metric reports whether /metrics has the line.
func (c *clinic) metric(line string) bool {
	c.t.Helper()
	a := c.do("", http.MethodGet, "/metrics", nil)
	require.Equal(c.t, http.StatusOK, a.status)
	return strings.Contains(string(a.body), "\n"+line+"\n")
}

// items returns the items of a list for operators.
func (c *clinic) items(path string) []map[string]any {
	c.t.Helper()
	a := c.do(operator, http.MethodGet, path, nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	var all []map[string]any
	for _, item := range a.decode(c.t)["items"].([]any) {
		all = append(all, item.(map[string]any))
	}
	return all
}

// redrive requests a redrive as the operator and returns the status and the error's detail.
func (c *clinic) redrive(path string, args ...any) (status int, detail string) {
	c.t.Helper()
	a := c.do(operator, http.MethodPost, fmt.Sprintf(path, args...)+"/redrive", nil)
	if a.status != http.StatusNoContent {
		detail = a.decode(c.t)["detail"].(string)
	}
	return a.status, detail
}

// redrivenBy asserts that the audit trail of the subject has exactly one redrive, by the person.
func (c *clinic) redrivenBy(who, subject string) map[string]any {
	c.t.Helper()
	c.eventually("the redrive is in the story", func() bool { return len(ofType(c.story(subject), "ledger.redriven")) == 1 })
	e := ofType(c.story(subject), "ledger.redriven")[0]
	id, _ := c.me(who)
	require.Equal(c.t, id, e["actorid"])
	require.Equal(c.t, "operator", e["actorrole"])
	require.NotContains(c.t, e, "personid")
	return e
}

func (c *clinic) sentAbout(subject string) bool {
	return len(ofType(c.story(subject), "notification.sent")) == 6
}

func TestPoison_AnEventThatAFollowerCannotHandleIsSkippedReportedAndRedriven(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.psql(`ALTER TABLE notifications ADD CONSTRAINT none CHECK (event_type <> 'ehr.lab_report.created')`)
	subject := "lab_report/" + c.writeReport()
	c.eventually("dispatch passes it over and goes on", func() bool {
		for _, f := range c.items("/api/followers") {
			if f["name"] == "dispatch" {
				return f["failures"] == 1.0 && f["lag"] == 0.0
			}
		}
		return false
	})
	failures := c.items("/api/followers/dispatch/failures")
	require.Len(t, failures, 1)
	created := ofType(c.story(subject), "ehr.lab_report.created")[0]
	position := created["position"].(float64)
	require.InDelta(t, position, failures[0]["position"], 0)
	require.Equal(t, "SQLSTATE 23514 constraint none", failures[0]["error"])
	require.Empty(t, c.items("/api/followers/analytics/failures"), "the others are not concerned")
	require.True(t, c.metric(`carewire_follower_failures_open{follower="dispatch"} 1`))
	require.True(t, c.metric(`carewire_follower_failures_open{follower="analytics"} 0`))
	require.Regexp(t, fmt.Sprintf(`level=ERROR msg="cannot handle an event[^\n]* follower=dispatch position=%.0f event_id=%s `, position, created["id"]), c.log.String())
	require.NotContains(t, c.log.String(), "demo.example")

	status, detail := c.redrive("/api/followers/dispatch/failures/%.0f", position)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, detail, "still cannot handle")
	require.EqualValues(t, 2, c.items("/api/followers/dispatch/failures")[0]["attempts"])
	require.Empty(t, ofType(c.story(subject), "ledger.redriven"))

	c.psql(`ALTER TABLE notifications DROP CONSTRAINT none`)
	status, detail = c.redrive("/api/followers/dispatch/failures/%.0f", position)
	require.Equal(t, http.StatusNoContent, status, detail)
	status, _ = c.redrive("/api/followers/dispatch/failures/%.0f", position)
	require.Equal(t, http.StatusConflict, status, "once")
	status, _ = c.redrive("/api/followers/dispatch/failures/1")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = c.redrive("/api/followers/nobody/failures/1")
	require.Equal(t, http.StatusNotFound, status)
	c.eventually("everybody is notified", func() bool { return c.sentAbout(subject) })
	told := c.redrivenBy(operator, subject)
	require.Equal(t, "follower/dispatch", told["subject"])
	require.Equal(t, map[string]any{"eventId": created["id"], "follower": "dispatch", "position": position}, told["data"])
	require.True(t, c.metric(`carewire_follower_failures_open{follower="dispatch"} 0`))
}

func TestPoison_AnOutboxRowThatTheLedgerRejectsIsDeadLetteredReportedAndRedriven(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	// A subject too long for the ledger's index, which has a person's name.
	c.psql(`ALTER TABLE outbox DROP CONSTRAINT outbox_valid`)
	c.psql(`INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		SELECT gen_random_uuid(), 'device.removed', '/psql', 'Mrs Smith' || string_agg(md5(random()::text), ''), now(),
			jsonb_build_object('deviceId', gen_random_uuid(), 'userId', gen_random_uuid(), 'platform', 'ios'), 'psql', 'service'
		FROM generate_series(1, 1000)`)
	var rejected map[string]any
	c.eventually("it is set aside", func() bool {
		if all := c.items("/api/outbox/rejected"); len(all) == 1 {
			rejected = all[0]
		}
		return rejected != nil
	})
	require.Equal(t, "SQLSTATE 54000", rejected["error"])
	require.Equal(t, "device.removed", rejected["type"])
	require.Empty(t, rejected["subject"], "an invalid subject is hidden")
	require.True(t, c.metric(`carewire_outbox_rejected_open 1`))
	require.Regexp(t, fmt.Sprintf(`level=ERROR msg="the ledger rejected an outbox row[^\n]* outbox_id=%.0f event_id=%s type=device.removed `, rejected["id"], rejected["eventId"]), c.log.String())
	require.NotContains(t, c.log.String(), "Smith")
	subject := "lab_report/" + c.writeReport()
	c.eventually("it stops nothing but itself", func() bool { return c.sentAbout(subject) })

	status, detail := c.redrive("/api/outbox/rejected/%.0f", rejected["id"])
	require.Equal(t, http.StatusNoContent, status, detail)
	first := rejected["id"]
	c.eventually("it is rejected again", func() bool {
		all := c.items("/api/outbox/rejected")
		if len(all) == 1 {
			rejected = all[0]
		}
		return len(all) == 1 && rejected["id"] != first
	})
	status, detail = c.redrive("/api/outbox/rejected/%.0f", first)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, detail, "already redriven")
	c.psql(`ALTER TABLE outbox ADD CONSTRAINT outbox_subject_form CHECK (subject ~ '^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$')`)
	status, detail = c.redrive("/api/outbox/rejected/%.0f", rejected["id"])
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, detail, "outbox_subject_form")
	require.NotContains(t, detail, "Smith")

	mended := "device/" + uuid.NewString()
	c.psql(`UPDATE outbox_rejected SET event = event || jsonb_build_object('subject', $1::text) WHERE redriven_at IS NULL`, mended)
	status, detail = c.redrive("/api/outbox/rejected/%.0f", rejected["id"])
	require.Equal(t, http.StatusNoContent, status, detail)
	c.eventually("it is in the ledger, with both redrives", func() bool {
		s := c.story(mended)
		return len(ofType(s, "device.removed")) == 1 && len(ofType(s, "ledger.redriven")) == 2
	})
	told := ofType(c.story(mended), "ledger.redriven")[1]
	id, _ := c.me(operator)
	require.Equal(t, id, told["actorid"])
	require.Equal(t, map[string]any{"eventId": rejected["eventId"], "outboxId": rejected["id"]}, told["data"])
	require.Empty(t, c.items("/api/outbox/rejected"))
	require.True(t, c.metric(`carewire_outbox_rejected_open 0`))
	status, _ = c.redrive("/api/outbox/rejected/%d", 1<<40)
	require.Equal(t, http.StatusNotFound, status)
}

func TestPoison_ARuleSetThatNoLongerParsesHoldsItsEventsUntilARollback(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	before := "lab_report/" + c.writeReport()
	c.psql(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (2, 'rules: [{escalate: now}]', '\x00', 'psql')`)
	c.psql(`INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, actor_id, actor_role)
		VALUES (gen_random_uuid(), 'rules.published', '/psql', 'rules/live', 2, now(), '{"version": 2}', 'psql', 'service')`)
	held := "lab_report/" + c.writeReport()
	c.eventually("it is reported", func() bool {
		return strings.Contains(c.log.String(), `level=ERROR msg="rule set not understood" version=2 mistakes=`)
	})
	require.True(t, c.metric(`carewire_rule_set_broken 1`))
	c.eventually("earlier events are notified", func() bool { return c.sentAbout(before) })
	c.eventually("who does not need rules goes on", func() bool { return c.eventCount(operator, "ehr.lab_report.created", "") == 2 })
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/readyz", nil).status)
	created := ofType(c.story(held), "ehr.lab_report.created")[0]
	explained := c.do(operator, http.MethodGet, "/api/notifications/explain?event="+created["id"].(string), nil)
	require.Equal(t, "not_planned_yet", explained.decode(t)["verdict"])
	require.Empty(t, c.items("/api/followers/dispatch/failures"), "a binary that understands it could take over")

	a := c.do(operator, http.MethodPost, "/api/rules/1/rollback", `{"note": "version 2 is broken"}`)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.EqualValues(t, 3, a.decode(t)["version"])
	after := "lab_report/" + c.writeReport()
	c.eventually("later events are notified", func() bool { return c.sentAbout(after) })
	require.False(t, c.metric(`carewire_rule_set_broken 1`))
	failures := c.items("/api/followers/dispatch/failures")
	require.NotEmpty(t, failures)
	for _, f := range failures {
		require.Equal(t, "refused: conflict rule set version 2", f["error"])
	}
	require.Empty(t, ofType(c.story(held), "notification.planned"))

	status, detail := c.redrive("/api/followers/dispatch/failures/%.0f", created["position"])
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, detail, "rule set version 2 is not understood")
	c.psql(`UPDATE rule_sets SET source = $1 WHERE version = 2`, string(rule.Default()))
	status, detail = c.redrive("/api/followers/dispatch/failures/%.0f", created["position"])
	require.Equal(t, http.StatusNoContent, status, detail)
	c.eventually("the skipped event is notified after the fix", func() bool { return c.sentAbout(held) })
	c.redrivenBy(operator, held)
}

func TestPoison_ATemplateThatCannotBeRenderedFailsAloneAndIsRedrivenAfterTheFix(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	id, _ := c.me(patient)
	c.psql(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.template := 'gone'; RETURN NEW; END $$`)
	c.psql(`CREATE TRIGGER poison BEFORE INSERT ON deliveries FOR EACH ROW WHEN (NEW.channel = 'email' AND NEW.recipient_id = '` + id + `') EXECUTE FUNCTION poison()`)
	subject := "lab_report/" + c.writeReport()
	c.eventually("five are sent, one fails", func() bool {
		s := c.story(subject)
		return len(ofType(s, "notification.sent")) == 5 && len(ofType(s, "notification.failed")) == 1
	})
	failed := c.items("/api/deliveries?state=failed&channel=email&recipientId=" + id)
	require.Len(t, failed, 1)
	require.Equal(t, "template", failed[0]["errorCode"])
	require.True(t, c.metric(`carewire_delivery_attempts_total{channel="email",outcome="failed"} 1`))
	require.Contains(t, c.log.String(), `level=ERROR msg="message could not be rendered" delivery_id=`+failed[0]["id"].(string))
	require.Len(t, c.items("/api/notifications?state=failed&channel=email"), 1)

	c.psql(`UPDATE deliveries SET template = 'clinical' WHERE template = 'gone'`)
	status, detail := c.redrive("/api/deliveries/%s", failed[0]["id"])
	require.Equal(t, http.StatusNoContent, status, detail)
	c.eventually("it arrives", func() bool { return len(c.sandboxMessages("email", patient)) == 1 && c.sentAbout(subject) })
	operatorID, _ := c.me(operator)
	var byHand []map[string]any
	for _, e := range ofType(c.story(subject), "notification.planned") {
		if e["actorid"] == operatorID {
			byHand = append(byHand, e)
		}
	}
	require.Len(t, byHand, 1, "the story has who sent it again")
	require.Equal(t, "operator", byHand[0]["actorrole"])
	status, _ = c.redrive("/api/deliveries/%s", failed[0]["id"])
	require.Equal(t, http.StatusConflict, status, "it is sent: not again")
	status, _ = c.redrive("/api/deliveries/%s", uuid.NewString())
	require.Equal(t, http.StatusNotFound, status)
}

func TestOperators_GetTheSameListsFromTheCommandAndTheAPI(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	_, err := c.commands().PublishRules(t.Context(), byCLI, "rules.yaml", []byte("rules: []\n"), "quiet")
	require.NoError(t, err)
	all, err := c.commands().ListRuleSets(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "quiet", all[0].Note)
	require.Len(t, c.items("/api/rules"), 2)
	d, err := c.commands().CompareRuleSets(t.Context(), 1, 0)
	require.NoError(t, err)
	require.NotEmpty(t, d.Removed)
	version, err := c.commands().RollBackRules(t.Context(), byCLI, 1, "")
	require.NoError(t, err)
	require.Equal(t, int32(3), version)
	set, err := c.commands().GetRuleSet(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, string(rule.Default()), set.Source)
	c.psql(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (4, 'rules: [{escalate: now}]', '\x00', 'psql')`)
	_, err = c.commands().RollBackRules(t.Context(), byCLI, 4, "")
	require.ErrorContains(t, err, "version 4 no longer passes the checks of this binary")
	require.ErrorContains(t, err, "version 4:1: ")

	c.psql(`INSERT INTO outbox_rejected (id, event, error) VALUES (900, '{"event_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "type": "device.removed",
		"source": "/x", "subject": "device/1", "time": "2026-03-14T09:30:00Z", "data": {}, "actor_id": "x", "actor_role": "service"}', 'SQLSTATE 54000')`)
	rejected, err := c.commands().ListDeadLetters(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, rejected, 1)
	require.NoError(t, c.commands().RedriveDeadLetter(t.Context(), byCLI, 900))
	require.ErrorContains(t, c.commands().RedriveDeadLetter(t.Context(), byCLI, 900), "already redriven")
	c.eventually("it is in the ledger, and who did it", func() bool {
		s := c.story("device/1")
		return len(s) == 2 && s[0]["type"] == "device.removed" && s[1]["actorid"] == "system:cli"
	})
	followers, err := c.commands().ListFollowers(t.Context())
	require.NoError(t, err)
	require.Len(t, followers, 2)
}

func TestPoison_AFollowerThatDoesNotAdvanceMakesTheServiceUnready(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.eventually("it has not stalled", func() bool { return c.metric(`carewire_follower_stalled_seconds{follower="dispatch"} 0`) })
	c.psql(`INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		VALUES (gen_random_uuid(), 'robot.moved', '/psql', 'robot/1', now(), '{}', 'psql', 'service')`)
	c.eventually("its type is unknown", func() bool { return strings.Contains(c.log.String(), "unknown event type") })
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/readyz", nil).status, "a newer binary may take over at once")
	// Two minutes later.
	_, err := c.db.Pool(t, "", 1).Exec(t.Context(), `SET session_replication_role = replica; UPDATE events SET recorded_at = recorded_at - interval '2 minutes';
		UPDATE followers SET updated_at = updated_at - interval '2 minutes'; RESET session_replication_role`)
	require.NoError(t, err)
	var a answer
	c.eventually("it is not ready", func() bool {
		a = c.do("", http.MethodGet, "/readyz", nil)
		return a.status == http.StatusServiceUnavailable
	})
	require.Regexp(t, `not ready: (dispatch|analytics): has not advanced after position \d+ for \S+: the event at position \d+ has a type that this binary does not know`, a.decode(t)["detail"])
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/livez", nil).status)
	require.False(t, c.metric(`carewire_follower_stalled_seconds{follower="dispatch"} 0`))

	c.psql(`UPDATE followers SET position = position + 1, updated_at = now()`)
	c.eventually("ready again", func() bool { return c.do("", http.MethodGet, "/readyz", nil).status == http.StatusOK })
	subject := "lab_report/" + c.writeReport()
	c.eventually("it goes on", func() bool { return c.sentAbout(subject) })
}

func TestPoison_AnUnreadableEventStopsNothing(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.psql(`ALTER TABLE outbox DROP CONSTRAINT outbox_valid`)
	c.psql(`ALTER TABLE events DROP CONSTRAINT events_time_readable`)
	subject := "lab_report/" + uuid.NewString()
	c.psql(`INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		VALUES ('0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', 'ehr.lab_report.created', '/psql', $1, 'infinity', '{}', 'psql', 'service')`, subject)
	written := "lab_report/" + c.writeReport()
	c.eventually("later events are notified", func() bool { return c.sentAbout(written) })
	require.Len(t, c.items("/api/followers/dispatch/failures"), 1)
	c.eventually("analytics has read it", func() bool { return len(c.items("/api/followers/analytics/failures")) == 1 })
	require.Equal(t, "cannot read column time into time.Time", c.items("/api/followers/analytics/failures")[0]["error"])
	story := c.story(subject)
	require.Len(t, story, 1)
	require.Equal(t, "column time into time.Time", story[0]["unreadable"])
	a := c.do(operator, http.MethodGet, "/api/notifications/explain?event=0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", nil)
	require.Equal(t, "planning_failed", a.decode(t)["verdict"], "%s", a.body)
	status, detail := c.redrive("/api/followers/dispatch/failures/%.0f", story[0]["position"])
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, detail, "cannot read column time")
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/readyz", nil).status)

	c.service.Stop()
	c.start() // A service that starts now reads it again.
	c.dial(doctor, "")
}
