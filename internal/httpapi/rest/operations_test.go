package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
)

// operations keeps what it was asked for and answers as it is told.
type operations struct {
	asked    []string
	err      error
	rejected []ledger.DeadLetter
}

func (o *operations) ask(cmd care.Command, what string, args ...any) error {
	o.asked = append(o.asked, fmt.Sprint(append([]any{cmd.Actor.ID, " ", what, " "}, args...)...))
	return o.err
}

func (o *operations) RedriveFailure(_ context.Context, cmd care.Command, follower string, position int64) error {
	return o.ask(cmd, "follower", follower, position)
}

func (o *operations) RedriveDelivery(_ context.Context, cmd care.Command, id uuid.UUID) error {
	return o.ask(cmd, "delivery", id)
}

func (o *operations) ListDeadLetters(_ context.Context, after int64, limit int32) ([]ledger.DeadLetter, error) {
	all := []ledger.DeadLetter{}
	for _, r := range o.rejected {
		if r.ID > after && len(all) < int(limit) {
			all = append(all, r)
		}
	}
	return all, o.err
}

func (o *operations) DryRunRules(_ context.Context, _ string, in dispatch.DryRunRequest) (dispatch.DryRun, error) {
	o.asked = append(o.asked, "dry run "+in.Source)
	return dispatch.DryRun{Decisions: []dispatch.DryRunDecision{}}, o.err
}

func (o *operations) RedriveDeadLetter(_ context.Context, cmd care.Command, id int64) error {
	return o.ask(cmd, "rejection", id)
}

func TestOperations_AreForOperatorsAndEachRefusalIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.NewString()
	routes := []struct{ method, path, body string }{
		{"GET", "/api/rules", ""},
		{"GET", "/api/rules/current", ""},
		{"GET", "/api/rules/1", ""},
		{"GET", "/api/rules/diff?from=1", ""},
		{"POST", "/api/rules", `{"source": "rules: []"}`},
		{"POST", "/api/rules/check", `{"source": "rules: []"}`},
		{"POST", "/api/rules/dry-run", `{"source": "rules: []", "event": {"type": "user.created"}}`},
		{"POST", "/api/rules/1/rollback", `{}`},
		{"GET", "/api/followers", ""},
		{"GET", "/api/followers/dispatch/failures", ""},
		{"POST", "/api/followers/dispatch/failures/1/redrive", ""},
		{"GET", "/api/deliveries", ""},
		{"POST", "/api/deliveries/" + id + "/redrive", ""},
		{"GET", "/api/outbox/rejected", ""},
		{"POST", "/api/outbox/rejected/1/redrive", ""},
	}
	people := []string{patient, doctor, nurse, receptionist, admin, auditor}
	for _, r := range routes {
		var body any
		if r.body != "" {
			body = r.body
		}
		requireProblem(t, b.do("", r.method, r.path, body), 401, "unauthenticated")
		for _, who := range people {
			requireProblem(t, b.do(who, r.method, r.path, body), 403, "forbidden")
		}
	}
	require.Equal(t, len(routes)*len(people), b.events("access.denied"))
	require.Empty(t, b.operations.asked)
	require.Zero(t, b.events("rules.published"))
}

func TestOperations_HandOnWhoAsksAndWhatWasRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.NewString()
	paths := map[string]string{
		"/api/followers/dispatch/failures/7/redrive": "follower dispatch7",
		"/api/deliveries/" + id + "/redrive":         "delivery " + id,
		"/api/outbox/rejected/9/redrive":             "rejection 9",
	}
	for path, asked := range paths {
		b.operations.asked, b.operations.err = nil, nil
		w := b.do(operator, http.MethodPost, path, nil)
		require.Equal(t, http.StatusNoContent, w.Code, "%s %s", path, w.Body)
		require.Equal(t, []string{b.ids[operator].String() + " " + asked}, b.operations.asked)
		for code, status := range map[care.Code]int{care.NotFound: 404, care.Conflict: 409, care.Unavailable: 503} {
			b.operations.err = care.Errorf(code, "words for a person")
			requireProblem(t, b.do(operator, http.MethodPost, path, nil), status, string(code))
		}
	}
	for _, path := range []string{
		"/api/followers/dispatch/failures/0/redrive", "/api/followers/dispatch/failures/x/redrive", "/api/deliveries/x/redrive",
		"/api/outbox/rejected/-1/redrive", "/api/outbox/rejected/x/redrive",
	} {
		requireProblem(t, b.do(operator, http.MethodPost, path, nil), 422, "invalid")
	}
}

func TestFollowers_TellWhereTheyStandAndWhatTheyPassedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec := func(sql string) {
		_, err := b.db.Owner.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec(`INSERT INTO followers (name, position) VALUES ('dispatch', 0), ('analytics', 0)`)
	exec(`INSERT INTO follower_failures (follower, position, event_id, error)
		SELECT 'dispatch', n, gen_random_uuid(), 'SQLSTATE 23514' FROM generate_series(1, 5) AS n`)
	exec(`UPDATE follower_failures SET redriven_at = now() WHERE position = 2`)
	all := decode(t, b.do(operator, http.MethodGet, "/api/followers", nil))["items"].([]any)
	require.Len(t, all, 2)
	require.Equal(t, "analytics", all[0].(map[string]any)["name"])
	require.EqualValues(t, 0, all[0].(map[string]any)["failures"])
	require.EqualValues(t, 4, all[1].(map[string]any)["failures"])

	var positions []any
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := decode(t, b.do(operator, http.MethodGet, "/api/followers/dispatch/failures?limit=2&cursor="+cursor, nil))
		for _, item := range page["items"].([]any) {
			positions = append(positions, item.(map[string]any)["position"])
		}
		cursor, _ = page["next"].(string)
	}
	require.Equal(t, []any{1.0, 3.0, 4.0, 5.0}, positions, "what was redriven is gone")
	require.Empty(t, decode(t, b.do(operator, http.MethodGet, "/api/followers/analytics/failures", nil))["items"])
	requireProblem(t, b.do(operator, http.MethodGet, "/api/followers/nobody/failures", nil), 404, "not_found")
	for _, cursor := range []string{"x", "eA", "LTE", "MA"} {
		require.Equal(t, []string{"cursor"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/followers/dispatch/failures?cursor="+cursor, nil), 422, "invalid"))
	}
}

func TestRejections_ArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for id := range int64(3) {
		b.operations.rejected = append(b.operations.rejected, ledger.DeadLetter{ID: id + 1, EventID: uuid.NewString()})
	}
	page := decode(t, b.do(operator, http.MethodGet, "/api/outbox/rejected?limit=2", nil))
	require.Len(t, page["items"], 2)
	page = decode(t, b.do(operator, http.MethodGet, "/api/outbox/rejected?limit=2&cursor="+page["next"].(string), nil))
	require.Len(t, page["items"], 1)
	require.NotContains(t, page, "next")
}

func TestDeliveries_AreFoundByWhatAnOperatorKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all, failed, doctors []string
	for i := range 6 {
		recipient, state := patient, "sent"
		if i%2 == 1 {
			recipient = doctor
		}
		if i%3 == 0 {
			state = "failed"
		}
		var id string
		notification := b.notify(recipient, i+1, state)
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `UPDATE deliveries SET created_at = '2026-03-14T00:00:00Z'::timestamptz + make_interval(hours => $2), rule = 'rule-' || $2::int % 2
			WHERE notification_id = $1 RETURNING id::text`, notification, i).Scan(&id))
		all = append([]string{id}, all...)
		if state == "failed" {
			failed = append([]string{id}, failed...)
		}
		if recipient == doctor {
			doctors = append([]string{id}, doctors...)
		}
	}
	require.Equal(t, all, b.pages(operator, "/api/deliveries?limit=2"), "the last planned first")
	require.Equal(t, failed, b.pages(operator, "/api/deliveries?limit=1&state=failed"))
	require.Equal(t, doctors, b.pages(operator, "/api/deliveries?limit=2&recipientId="+b.ids[doctor].String()))
	require.Equal(t, doctors, b.pages(operator, "/api/deliveries?limit=2&rule=rule-1"))
	require.Equal(t, all[1:3], b.pages(operator, "/api/deliveries?limit=1&from=2026-03-14T03:00:00Z&to=2026-03-14T05:00:00Z"))
	require.Empty(t, b.pages(operator, "/api/deliveries?channel=push"))
	require.NotContains(t, b.do(operator, http.MethodGet, "/api/deliveries", nil).Body.String(), "@", "no addresses")
	for query, field := range map[string]string{
		"state=lost": "state", "channel=fax": "channel", "recipientId=x": "recipientId", "from=yesterday": "from", "cursor=x": "cursor",
		"from=2026-03-14T00:00:00Z&to=2026-03-14T00:00:00Z": "from", "limit=0": "limit", "sate=failed": "sate",
	} {
		require.Equal(t, []string{field}, requireProblem(t, b.do(operator, http.MethodGet, "/api/deliveries?"+query, nil), 422, "invalid"), query)
	}
}

func TestNotifications_AreFoundByAnOperatorAndCountedForTheirRecipient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all []string
	for i := range 4 {
		recipient := patient
		if i == 2 {
			recipient = doctor
		}
		all = append([]string{b.notify(recipient, i+1, "sent").String()}, all...)
	}
	own := []string{all[0], all[2], all[3]}
	require.Equal(t, own, b.pages(operator, "/api/notifications?limit=2&recipientId="+b.ids[patient].String()))
	require.Equal(t, all, b.pages(operator, "/api/notifications?limit=3&state=sent&channel=email"))
	require.Empty(t, b.pages(operator, "/api/notifications?state=sent&channel=push"), "the state is that of the channel")
	at := decode(t, b.do(operator, http.MethodGet, "/api/notifications", nil))["items"].([]any)[1].(map[string]any)["createdAt"].(string)
	before, after := url.QueryEscape(at), url.QueryEscape(mustTime(t, at).Add(time.Microsecond).Format(time.RFC3339Nano))
	require.Equal(t, all[:2], b.pages(operator, "/api/notifications?from="+before))
	require.Equal(t, all[2:], b.pages(operator, "/api/notifications?to="+before))
	require.Equal(t, all[1:2], b.pages(operator, "/api/notifications?from="+before+"&to="+after))
	requireProblem(t, b.do(operator, http.MethodGet, "/api/notifications?from="+before+"&to="+before, nil), 422, "invalid")

	unread := func(who string) any {
		return decode(t, b.do(who, http.MethodGet, "/api/notifications?limit=1", nil))["unread"]
	}
	require.EqualValues(t, 3, unread(patient))
	require.EqualValues(t, 0, unread(nurse))
	require.Nil(t, unread(operator))
	require.Equal(t, http.StatusNoContent, b.do(patient, http.MethodPut, "/api/notifications/"+own[1]+"/read", nil).Code)
	require.EqualValues(t, 2, unread(patient))
	require.Equal(t, []string{own[0], own[2]}, b.pages(patient, "/api/notifications?limit=1&unread=true"))
	require.Equal(t, own, b.pages(patient, "/api/notifications?limit=2&unread=false"))
	require.NotContains(t, b.pages(operator, "/api/notifications?unread=true"), own[1])
	for _, filter := range []string{"state=sent", "channel=email", "recipientId=" + b.ids[patient].String(), "from=" + before, "to=" + before} {
		require.Len(t, requireProblem(t, b.do(patient, http.MethodGet, "/api/notifications?"+filter, nil), 422, "invalid"), 1, filter)
	}
	requireProblem(t, b.do(patient, http.MethodGet, "/api/notifications?unread=perhaps", nil), 422, "invalid")
}

func mustTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at
}
