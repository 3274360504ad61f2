package rest_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (b *bundle) conversation() map[string]any {
	return map[string]any{"patientId": b.ids[patient], "clinicId": b.clinicID, "subject": secret}
}

// converse begins a conversation as the doctor and gives its path. The nurse does not take part.
func (b *bundle) converse() string {
	b.t.Helper()
	w := b.do(doctor, http.MethodPost, "/api/conversations", b.conversation())
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return w.Header().Get("Location")
}

// message writes one and gives its id.
func (b *bundle) message(as, path string) string {
	b.t.Helper()
	w := b.do(as, http.MethodPost, path+"/messages", map[string]any{"text": secret})
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	id := decode(b.t, w)["id"].(string)
	require.Equal(b.t, path+"/messages/"+id, w.Header().Get("Location"))
	return id
}

func TestChat_GoesFromTheFirstMessageToTheLastRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(patient, http.MethodPost, "/api/conversations", b.conversation())
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	begun := decode(t, w)
	path := "/api/conversations/" + begun["id"].(string)
	require.Equal(t, path, w.Header().Get("Location"))
	require.ElementsMatch(t, []string{
		"id", "clinicId", "patientId", "subject", "participants", "messages", "readNumber", "unread", "lastActivityAt", "createdAt", "createdBy",
	}, slices.Collect(maps.Keys(begun)))
	require.Len(t, begun["participants"], 3)

	first, second := b.message(patient, path), b.message(patient, path)
	require.Equal(t, second, decode(t, b.do(nurse, http.MethodGet, path+"/messages/"+second, nil))["id"])
	page := decode(t, b.do(doctor, http.MethodGet, path+"/messages?limit=1", nil))
	require.Equal(t, second, page["items"].([]any)[0].(map[string]any)["id"])
	page = decode(t, b.do(doctor, http.MethodGet, path+"/messages?limit=1&cursor="+page["next"].(string), nil))
	item := page["items"].([]any)[0].(map[string]any)
	require.Equal(t, first, item["id"])
	require.Nil(t, page["next"])
	require.Equal(t, secret, item["text"])
	require.ElementsMatch(t, []string{"id", "conversationId", "number", "authorId", "text", "writtenAt"}, slices.Collect(maps.Keys(item)))

	require.Equal(t, http.StatusNoContent, b.do(doctor, http.MethodPut, path+"/read", map[string]any{"messageId": first}).Code)
	listed := decode(t, b.do(doctor, http.MethodGet, "/api/conversations", nil))["items"].([]any)
	require.Len(t, listed, 1)
	require.InDelta(t, 1, listed[0].(map[string]any)["unread"], 0)
	w = b.do(patient, http.MethodPost, path+"/messages/"+second+"/withdraw", nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.NotContains(t, w.Body.String(), secret)
	require.Equal(t, http.StatusNoContent, b.do(doctor, http.MethodDelete, path+"/participants/"+b.ids[nurse].String(), nil).Code)
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPost, path+"/participants", map[string]any{"userId": b.ids[nurse]}).Code)
	got := decode(t, b.do(doctor, http.MethodGet, path, nil))
	require.Zero(t, got["unread"], "what was withdrawn is not unread")
	require.Len(t, got["participants"], 3)
	require.NotContains(t, b.log.String(), secret)
}

func TestChat_RefusesWithoutSayingWhatWasWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.converse()
	message := b.message(doctor, path)
	text := func(s string) map[string]any { return map[string]any{"text": s} }
	user := func(email string) map[string]any { return map[string]any{"userId": b.ids[email]} }
	for _, row := range []struct {
		name, as, method, path string
		body                   any
		status                 int
		code, field            string
	}{
		{"nobody", "", "GET", "/api/conversations", nil, 401, "unauthenticated", ""},
		{"no conversation", doctor, "GET", "/api/conversations/" + uuid.NewString(), nil, 404, "not_found", ""},
		{"a malformed id", doctor, "GET", "/api/conversations/" + secret, nil, 422, "invalid", "id"},
		{"a role without any", receptionist, "GET", "/api/conversations", nil, 403, "forbidden", ""},
		{"a made-up cursor", doctor, "GET", "/api/conversations?cursor=" + secret, nil, 422, "invalid", "cursor"},
		{"a limit too high", doctor, "GET", "/api/conversations?limit=201", nil, 422, "invalid", "limit"},
		{"a made-up message cursor", doctor, "GET", path + "/messages?cursor=" + secret, nil, 422, "invalid", "cursor"},
		{"a stranger who reads", nurse, "GET", path, nil, 404, "not_found", ""},
		{"a stranger who reads messages", receptionist, "GET", path + "/messages", nil, 404, "not_found", ""},
		{"a stranger who reads a message", nurse, "GET", path + "/messages/" + message, nil, 404, "not_found", ""},
		{"no message", doctor, "GET", path + "/messages/" + uuid.NewString(), nil, 404, "not_found", ""},
		{"a stranger who writes", nurse, "POST", path + "/messages", text(secret), 404, "not_found", ""},
		{"a stranger who adds themselves", nurse, "POST", path + "/participants", user(nurse), 404, "not_found", ""},
		{"a stranger who takes out", admin, "DELETE", path + "/participants/" + b.ids[doctor].String(), nil, 404, "not_found", ""},
		{"a stranger who marks", nurse, "PUT", path + "/read", map[string]any{"messageId": message}, 404, "not_found", ""},
		{"a stranger who withdraws", nurse, "POST", path + "/messages/" + message + "/withdraw", nil, 404, "not_found", ""},
		{"begun by a receptionist", receptionist, "POST", "/api/conversations", b.conversation(), 403, "forbidden", ""},
		{"begun without a patient", doctor, "POST", "/api/conversations", with(b.conversation(), "patientId", nil), 422, "invalid", "patientId"},
		{"begun without a clinic", doctor, "POST", "/api/conversations", with(b.conversation(), "clinicId", nil), 422, "invalid", "clinicId"},
		{"a subject too long", doctor, "POST", "/api/conversations", with(b.conversation(), "subject", strings.Repeat(secret, 20)), 422, "invalid", "subject"},
		{"an unknown field", doctor, "POST", "/api/conversations", with(b.conversation(), "attachment", secret), 422, "invalid", "attachment"},
		{"a patient who adds", patient, "POST", path + "/participants", user(nurse), 403, "forbidden", ""},
		{"a patient who takes out", patient, "DELETE", path + "/participants/" + b.ids[doctor].String(), nil, 403, "forbidden", ""},
		{"the patient taken out", doctor, "DELETE", path + "/participants/" + b.ids[patient].String(), nil, 409, "conflict", ""},
		{"one taken out who is not in", doctor, "DELETE", path + "/participants/" + b.ids[nurse].String(), nil, 404, "not_found", ""},
		{"one added who is not on the team", doctor, "POST", path + "/participants", user(receptionist), 422, "invalid", "userId"},
		{"nobody added", doctor, "POST", path + "/participants", map[string]any{}, 422, "invalid", "userId"},
		{"no text", doctor, "POST", path + "/messages", map[string]any{}, 422, "invalid", "text"},
		{"an empty text", doctor, "POST", path + "/messages", text(""), 422, "invalid", "text"},
		{"blanks", doctor, "POST", path + "/messages", text(" \n "), 422, "invalid", "text"},
		{"a text too long", doctor, "POST", path + "/messages", text(strings.Repeat(secret, 300)), 422, "invalid", "text"},
		{"a control character", doctor, "POST", path + "/messages", text(secret + "\x01"), 422, "invalid", "text"},
		{"another's message withdrawn", patient, "POST", path + "/messages/" + message + "/withdraw", nil, 403, "forbidden", ""},
		{"no message withdrawn", doctor, "POST", path + "/messages/" + uuid.NewString() + "/withdraw", nil, 404, "not_found", ""},
		{"no message marked", doctor, "PUT", path + "/read", map[string]any{"messageId": uuid.NewString()}, 422, "invalid", "messageId"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.do(row.as, row.method, row.path, row.body)
			fields := requireProblem(t, w, row.status, row.code)
			require.NotContains(t, w.Body.String(), secret[:6])
			if row.field != "" {
				require.Equal(t, []string{row.field}, fields, "%s", w.Body)
			}
		})
	}
	require.NotContains(t, b.log.String(), secret[:6], "nor does a log")
	require.Equal(t, 1, b.events("chat.message_created"))
	require.Equal(t, 14, b.events("access.denied"), "each refusal for want of the right is committed")
}
