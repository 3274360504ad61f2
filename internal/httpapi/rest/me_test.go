package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestMe_TellsWhoOneIsAndWhichRolesOneHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	me := decode(t, b.do(doctor, http.MethodGet, "/api/me", nil))
	require.Equal(t, b.ids[doctor].String(), me["id"])
	require.Equal(t, doctor, me["email"])
	require.Equal(t, []any{map[string]any{"clinicId": b.clinicID.String(), "role": "doctor"}}, me["memberships"])
	platform := decode(t, b.do(operator, http.MethodGet, "/api/me", nil))
	require.Equal(t, []any{map[string]any{"clinicId": nil, "role": "operator"}}, platform["memberships"], "null on the platform")
}

func TestDevices_AreRegisteredListedAndRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	device := map[string]any{"platform": "android", "token": "token-of-a-device"}
	w := b.do(patient, http.MethodPost, "/api/me/devices", device)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.NotContains(t, w.Body.String(), "token-of-a-device")
	path := w.Header().Get("Location")
	again := b.do(patient, http.MethodPost, "/api/me/devices", device)
	require.Equal(t, http.StatusOK, again.Code)
	require.Len(t, decode(t, b.do(patient, http.MethodGet, "/api/me/devices", nil))["items"], 1)
	requireProblem(t, b.do(doctor, http.MethodDelete, path, nil), 404, "not_found")
	gone := b.do(patient, http.MethodDelete, path, nil)
	require.Equal(t, http.StatusNoContent, gone.Code)
	require.Empty(t, gone.Body.String())
	require.Empty(t, decode(t, b.do(patient, http.MethodGet, "/api/me/devices", nil))["items"])
	require.Equal(t, []string{"platform"}, requireProblem(t, b.do(patient, http.MethodPost, "/api/me/devices", with(device, "platform", "abacus")), 422, "invalid"))
}

func TestUsers_AreRegisteredReadAndReplacedByAdministrators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := map[string]any{"email": "mara@demo.example", "givenName": "Mara", "familyName": "Keller", "clinicId": b.clinicID, "roles": []string{"patient"}}
	requireProblem(t, b.do(doctor, http.MethodPost, "/api/users", user), 403, "forbidden")
	w := b.do(admin, http.MethodPost, "/api/users", user)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	path := w.Header().Get("Location")
	requireProblem(t, b.do(admin, http.MethodPost, "/api/users", user), 409, "conflict")
	require.Equal(t, []string{"roles[0]"}, requireProblem(t, b.do(admin, http.MethodPost, "/api/users", with(user, "roles", []string{"operator"})), 422, "invalid"))

	got := b.do(admin, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, http.StatusNotModified, b.do(admin, http.MethodGet, path, nil, "If-None-Match", got.Header().Get("ETag")).Code)
	requireProblem(t, b.do(patient, http.MethodGet, path, nil), 404, "not_found")
	change := map[string]any{"email": "mara@demo.example", "givenName": "Mara", "familyName": "Berg", "locale": "de-DE", "timeZone": "Europe/Berlin", "status": "active"}
	requireProblem(t, b.do(admin, http.MethodPut, path, change), 428, "precondition_required")
	done := b.do(admin, http.MethodPut, path, change, "If-Match", `"1"`)
	require.Equal(t, `"2"`, done.Header().Get("ETag"), "%s", done.Body)
	stale := b.do(admin, http.MethodPut, path, change, "If-Match", `"1"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"2"`, stale.Header().Get("ETag"))

	list := b.do(nurse, http.MethodGet, "/api/users?role=patient&limit=1", nil)
	require.Len(t, decode(t, list)["items"], 1)
	require.NotEmpty(t, decode(t, list)["next"])
	require.NotContains(t, list.Body.String(), "@demo.example", "no contacts in a list")
	requireProblem(t, b.do(patient, http.MethodGet, "/api/users", nil), 403, "forbidden")
}

// notify makes a notification with one delivery in the state.
func (b *bundle) notify(recipient string, position int, state string) uuid.UUID {
	b.t.Helper()
	id, eventID := uuid.Must(uuid.NewV7()), uuid.New()
	_, err := b.db.Owner.Exec(b.t.Context(), `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, created_at)
		VALUES ($1, $2, $3, 'ehr.lab_report.created', 'lab_report/x', $4, 'clinical', 'normal', 'new-lab-report', 1, 'record', $5)`,
		id, position, eventID, b.ids[recipient], time.Now().Add(time.Duration(position)*time.Second))
	require.NoError(b.t, err)
	_, err = b.db.Owner.Exec(b.t.Context(), `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority)
		VALUES ($1, $6, $2, $3, $4, 'email', $5, 'new-lab-report', 'record', 'normal')`, uuid.Must(uuid.NewV7()), id, eventID, b.ids[recipient], state, position)
	require.NoError(b.t, err)
	return id
}

// pages reads a list page by page and gives the ids in order.
func (b *bundle) pages(as, path string) []string {
	b.t.Helper()
	var ids []string
	cursor := ""
	for {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		w := b.do(as, http.MethodGet, path+"&cursor="+cursor, nil)
		require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
		require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &page))
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		if cursor = page.Next; cursor == "" {
			return ids
		}
	}
}

func TestNotifications_AreOnesOwnAndAnOperatorsByState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var own, all, failed []string
	for i := range 7 {
		recipient, state := patient, "sent"
		if i%2 == 1 {
			recipient = doctor
		}
		if i%3 == 0 {
			state = "failed"
		}
		id := b.notify(recipient, i+1, state).String()
		all = append([]string{id}, all...)
		if recipient == patient {
			own = append([]string{id}, own...)
		}
		if state == "failed" {
			failed = append([]string{id}, failed...)
		}
	}
	require.Equal(t, own, b.pages(patient, "/api/notifications?limit=2"), "newest first")
	require.Equal(t, all, b.pages(operator, "/api/notifications?limit=2"))
	require.Equal(t, failed, b.pages(operator, "/api/notifications?limit=2&state=failed"))
	require.Empty(t, b.pages(nurse, "/api/notifications?limit=2"))
	first := decode(t, b.do(patient, http.MethodGet, "/api/notifications?limit=1", nil))["items"].([]any)[0].(map[string]any)
	require.Equal(t, "lab_report/x", first["subject"])
	require.Len(t, first["deliveries"], 1)
	require.Equal(t, "failed", first["deliveries"].([]any)[0].(map[string]any)["state"])
}

func TestTickets_AreIssuedToWhoIsSignedInForAsLongAsTheyAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(nurse, http.MethodPost, "/api/socket/tickets", nil)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	ticket := decode(t, w)["ticket"].(string)
	expires, err := time.Parse(time.RFC3339Nano, decode(t, w)["expiresAt"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(30*time.Second), expires, 10*time.Second)
	session, err := b.cfg.Directory.RedeemTicket(t.Context(), ticket)
	require.NoError(t, err)
	require.Equal(t, b.ids[nurse], session.Actor.UserID)
	require.WithinDuration(t, time.Now().Add(time.Hour), session.ExpiresAt, time.Minute, "the socket ends with the token")
}

func TestMetrics_NeverHoldAPathThatAClientMadeUp(t *testing.T) {
	t.Parallel()
	b := setup(t, demo)
	for i := range 3 {
		b.do(doctor, http.MethodGet, fmt.Sprintf("/api/made-up-%d", i), nil)
		b.do(doctor, http.MethodGet, fmt.Sprintf("/made/up/%d", i), nil)
		b.do(doctor, fmt.Sprintf("MADEUP%d", i), "/api/me", nil)
		b.do(doctor, http.MethodOptions, fmt.Sprintf("/api/made-up-%d", i), nil)
		b.do(doctor, http.MethodGet, "/api/ehr/lab-reports/"+uuid.NewString(), nil)
	}
	text := b.do("", http.MethodGet, "/metrics", nil).Body.String()
	require.NotContains(t, strings.ToLower(text), "made")
	require.NotContains(t, strings.ToLower(b.log.String()), "made")
	require.Contains(t, text, `carewire_http_requests_total{method="GET",route="/api/ehr/lab-reports/:id",status="404"} 3`)
	require.Contains(t, text, `carewire_http_requests_total{method="GET",route="unmatched",status="404"} 6`)
}
