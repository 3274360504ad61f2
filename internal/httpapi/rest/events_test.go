package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/auth/authtest"
)

// gateway is another system of the clinic's, and what a test needs to speak as it.
type gateway struct {
	*bundle
	id    string
	token string
}

// letIn registers another system at the clinic, as its administrator does.
func (b *bundle) letIn(clientID string) *gateway {
	b.t.Helper()
	w := b.do(admin, http.MethodPost, "/api/service-accounts", map[string]any{"clinicId": b.clinicID, "name": "Gateway", "clientId": clientID})
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	token, err := b.issuer.MintService(clientID, time.Hour)
	require.NoError(b.t, err)
	account := decode(b.t, w)
	w = b.activate(token, account["activationCode"])
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	return &gateway{b, account["id"].(string), token}
}

// activate sends the code with the system's own token.
func (b *bundle) activate(token string, code any) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do("", http.MethodPost, "/api/service-accounts/activate", map[string]any{"code": code}, "Authorization", "Bearer "+token)
}

// post sends a body as the system.
func (g *gateway) post(mediaType string, body any, headers ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	return g.do("", http.MethodPost, "/api/events", body, append([]string{"Authorization", "Bearer " + g.token, "Content-Type", mediaType}, headers...)...)
}

// reading is a good event of the system's.
func (g *gateway) reading() map[string]any {
	id := uuid.NewString()
	return map[string]any{
		"specversion": "1.0", "id": uuid.NewString(), "type": "device.reading_received", "source": "/services/" + g.id, "subject": "reading/" + id,
		"data": map[string]any{
			"readingId": id, "deviceId": uuid.NewString(), "userId": g.ids[patient], "clinicId": g.clinicID, "urgency": "urgent", "measuredAt": "2026-03-14T09:30:00Z",
		},
	}
}

// withData gives the event with one field of its data set, or removed when value is nil.
func withData(e map[string]any, field string, value any) map[string]any {
	return with(e, "data", with(e["data"].(map[string]any), field, value))
}

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json"
	plain      = "application/json"
)

func TestEvents_AreTakenInInEachMode(t *testing.T) {
	t.Parallel()
	g := setup(t).letIn("gateway")
	accepted := func(w *httptest.ResponseRecorder, ids ...any) {
		t.Helper()
		require.Equal(t, http.StatusAccepted, w.Code, "%s", w.Body)
		var got []any
		for _, item := range decode(t, w)["accepted"].([]any) {
			got = append(got, item.(map[string]any)["id"])
		}
		require.Equal(t, ids, got)
	}
	one, two, three, four, five := g.reading(), g.reading(), g.reading(), g.reading(), g.reading()
	accepted(g.post(structured+"; charset=utf-8", one), one["id"])
	accepted(g.post(plain, two), two["id"])
	accepted(g.post(batched, []any{three, one, four}), three["id"], one["id"], four["id"])
	accepted(g.post(structured, one), one["id"])
	accepted(g.post(plain, five["data"], "ce-specversion", "1.0", "ce-id", five["id"].(string), "ce-type", five["type"].(string),
		"ce-source", "%2Fservices/"+g.id, "Ce-Subject", five["subject"].(string), "ce-time", time.Now().UTC().Format(time.RFC3339)), five["id"])
	require.Equal(t, 5, g.events("device.reading_received"), "one for each id")
	var sources int
	require.NoError(t, g.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE source = $1 AND actor_id = $2`, "/services/"+g.id, "service:"+g.id).Scan(&sources))
	require.Equal(t, 5, sources)

	requireProblem(t, g.post(structured, withData(one, "urgency", "routine")), 409, "conflict")
}

func TestEvents_RefusalsNameTheFieldAndNeverRepeatTheValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g, other := b.letIn("gateway"), b.letIn("pharmacy")
	good := g.reading()
	text, err := json.Marshal(good)
	require.NoError(t, err)
	binary := func(headers ...string) []string {
		return append([]string{"ce-specversion", "1.0", "ce-type", "device.reading_received", "ce-source", "/services/" + g.id, "ce-subject", good["subject"].(string)}, headers...)
	}
	lots := make([]any, 101)
	for i := range lots {
		lots[i] = g.reading()
	}
	for _, row := range []struct {
		name, media string
		body        any
		headers     []string
		status      int
		code, field string
	}{
		{"no body", structured, "", nil, 400, "malformed", ""},
		{"half a body", structured, `{"id": `, nil, 400, "malformed", ""},
		{"another media type", "text/plain", good, nil, 415, "unsupported_media_type", ""},
		{"another charset", structured + "; charset=latin1", good, nil, 415, "unsupported_media_type", ""},
		{"a list where one is meant", structured, []any{good}, nil, 422, "invalid", "body"},
		{"one where a list is meant", batched, good, nil, 422, "invalid", "body"},
		{"an empty batch", batched, "[]", nil, 422, "invalid", "body"},
		{"a batch of null", batched, "null", nil, 422, "invalid", "body"},
		{"too many at once", batched, lots, nil, 422, "invalid", "body"},
		{"something else in a batch", batched, []any{good, 7}, nil, 422, "invalid", "[1]"},
		{"an event too large", structured, with(good, "subject", strings.Repeat("x", 17<<10)), nil, 413, "too_large", "body"},
		{"one too large in a batch", batched, []any{good, with(good, "subject", strings.Repeat("x", 17<<10))}, nil, 413, "too_large", "[1]"},
		{"a body too large", structured, strings.Repeat(" ", 2<<20), nil, 413, "too_large", ""},
		{"another version of CloudEvents", structured, with(good, "specversion", "0.3"), nil, 422, "invalid", "specversion"},
		{"no version of CloudEvents", structured, with(good, "specversion", nil), nil, 422, "invalid", "specversion"},
		{"no id", structured, with(good, "id", nil), nil, 422, "invalid", "id"},
		{"an id that is none", structured, with(good, "id", secret), nil, 422, "invalid", "id"},
		{"an id that is a number", structured, with(good, "id", 7), nil, 422, "invalid", "id"},
		{"no type", structured, with(good, "type", nil), nil, 422, "invalid", "type"},
		{"an unknown type", structured, with(good, "type", "device.exploded"), nil, 422, "invalid", "type"},
		{"a type of carewire's own", structured, with(good, "type", "ehr.lab_report.created"), nil, 422, "invalid", "type"},
		{"no source", structured, with(good, "source", nil), nil, 422, "invalid", "source"},
		{"another system's source", structured, with(good, "source", "/services/"+other.id), nil, 422, "invalid", "source"},
		{"carewire's source", structured, with(good, "source", "/carewire"), nil, 422, "invalid", "source"},
		{"no subject", structured, with(good, "subject", nil), nil, 422, "invalid", "subject"},
		{"a subject that is none", structured, with(good, "subject", "reading/"+secret), nil, 422, "invalid", "subject"},
		{"a time that is none", structured, with(good, "time", secret), nil, 422, "invalid", "time"},
		{"a time to come", structured, with(good, "time", time.Now().Add(time.Hour).Format(time.RFC3339)), nil, 422, "invalid", "time"},
		{"a time long gone", structured, with(good, "time", "2020-01-01T00:00:00Z"), nil, 422, "invalid", "time"},
		{"data of another kind", structured, with(good, "datacontenttype", "text/xml"), nil, 422, "invalid", "datacontenttype"},
		{"data as base64", structured, with(good, "data_base64", "e30="), nil, 422, "invalid", "data_base64"},
		{"an attribute that is not kept", structured, with(good, "patientname", secret), nil, 422, "invalid", "patientname"},
		{"another clinic in the envelope", structured, with(good, "clinicid", uuid.NewString()), nil, 422, "invalid", "clinicid"},
		{"another person in the envelope", structured, with(good, "personid", uuid.NewString()), nil, 422, "invalid", "personid"},
		{"a trace that is none", structured, with(good, "traceparent", secret), nil, 422, "invalid", "traceparent"},
		{"no data", structured, with(good, "data", nil), nil, 422, "invalid", "data"},
		{"data that is a text", structured, with(good, "data", secret), nil, 422, "invalid", "data"},
		{"data that is null", structured, strings.Replace(string(text), `"data":{`, `"data":null,"x":{`, 1), nil, 422, "invalid", "data"},
		{"a field that the type has not", structured, withData(good, "value", secret), nil, 422, "invalid", "data.value"},
		{"a field in another case", structured, withData(withData(good, "userId", nil), "userID", g.ids[patient]), nil, 422, "invalid", "data.userID"},
		{"a field that is missing", structured, withData(good, "deviceId", nil), nil, 422, "invalid", "data.deviceId"},
		{"a field of a wrong type", structured, withData(good, "urgency", 7), nil, 422, "invalid", "data.urgency"},
		{"a code that is none", structured, withData(good, "urgency", secret), nil, 422, "invalid", "data.urgency"},
		{"a time in the data that is none", structured, withData(good, "measuredAt", secret), nil, 422, "invalid", "data.measuredAt"},
		{"an id in the data that is none", structured, withData(good, "deviceId", secret), nil, 422, "invalid", "data.deviceId"},
		{"a NUL in the data", structured, withData(good, "urgency", "a\x00"), nil, 422, "invalid", "data.urgency"},
		{"somebody who is nobody here", structured, withData(good, "userId", uuid.NewString()), nil, 422, "invalid", "data.userId"},
		{"another clinic", structured, withData(good, "clinicId", uuid.NewString()), nil, 403, "forbidden", "data.clinicId"},
		{"one wrong in a batch", batched, []any{g.reading(), withData(good, "urgency", secret)}, nil, 422, "invalid", "[1].data.urgency"},
		{"a missing attribute in a batch", batched, []any{g.reading(), with(good, "id", nil)}, nil, 422, "invalid", "[1].id"},
		{"one wrong source in a batch", batched, []any{g.reading(), with(good, "source", secret)}, nil, 422, "invalid", "[1].source"},
		{"an id twice in a batch", batched, []any{good, good}, nil, 422, "invalid", "[1].id"},
		{"binary mode without an id", plain, good["data"], binary(), 422, "invalid", "id"},
		{"binary mode with a broken escape", plain, good["data"], binary("ce-id", "%zz"), 422, "invalid", "ce-id"},
		{"binary mode with wrong data", plain, with(good["data"].(map[string]any), "urgency", secret), binary("ce-id", uuid.NewString()), 422, "invalid", "data.urgency"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := g.post(row.media, row.body, row.headers...)
			fields := requireProblem(t, w, row.status, row.code)
			require.NotContains(t, w.Body.String(), secret[:6])
			if row.field != "" {
				require.Contains(t, fields, row.field, "%s", w.Body)
			}
		})
	}
	w := g.post(structured, with(good, "type", "device.exploded"))
	require.Contains(t, w.Body.String(), "pharmacy.prescription_dispensed", "those there are, are named")
	require.NotContains(t, g.log.String(), secret[:6], "nor does a log repeat a value")
	require.Zero(t, g.events("device.reading_received"), "all or nothing")
}

func TestEvents_AllThatIsWrongWithABatchIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	g := setup(t).letIn("gateway")
	w := g.post(batched, []any{with(g.reading(), "specversion", "2"), g.reading(), withData(g.reading(), "urgency", "x")})
	require.ElementsMatch(t, []string{"[0].specversion", "[2].data.urgency"}, requireProblem(t, w, 422, "invalid"))
}

func TestEvents_AreForServiceAccountsOnly(t *testing.T) {
	t.Parallel()
	g := setup(t).letIn("gateway")
	requireProblem(t, g.do("", http.MethodPost, "/api/events", g.reading()), 401, "unauthenticated")
	for _, who := range []string{patient, doctor, nurse, receptionist, admin, auditor, operator} {
		requireProblem(t, g.do(who, http.MethodPost, "/api/events", g.reading()), 403, "forbidden")
	}
	require.Equal(t, 7, g.events("access.denied"))
	require.Zero(t, g.events("device.reading_received"))
}

func TestServiceAccount_IsNobodyWithAnAccountOrAnInbox(t *testing.T) {
	t.Parallel()
	g := setup(t).letIn("gateway")
	bearer := []string{"Authorization", "Bearer " + g.token}
	for _, path := range []string{"/api/me", "/api/me/devices", "/api/me/preferences", "/api/notifications"} {
		w := g.do("", http.MethodGet, path, nil, bearer...)
		requireProblem(t, w, 403, "forbidden")
		require.Contains(t, w.Body.String(), "service account", path)
	}
	requireProblem(t, g.do("", http.MethodPost, "/api/socket/tickets", nil, bearer...), 403, "forbidden")
	// Nor does it see or do anything of the clinic's.
	report := g.writeReport()
	requireProblem(t, g.do("", http.MethodGet, report, nil, bearer...), 404, "not_found")
	requireProblem(t, g.do("", http.MethodPost, "/api/ehr/lab-reports", g.report(), bearer...), 403, "forbidden")
	for _, path := range []string{"/api/users", "/api/service-accounts", "/api/ehr/lab-reports", "/api/appointments", "/api/billing/invoices", "/api/stats/events", "/api/audit?subject=a/b"} {
		requireProblem(t, g.do("", http.MethodGet, path, nil, bearer...), 403, "forbidden")
	}
	var roles string
	require.NoError(t, g.db.Owner.QueryRow(t.Context(), `SELECT string_agg(DISTINCT actor_role, ',') FROM outbox WHERE actor_id = $1`, "service:"+g.id).Scan(&roles))
	require.Equal(t, "service", roles, "each refusal says what it was")
}

func TestServiceAccount_CountsFromRegistrationToDisabling(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	// The admin signs in at the provider too; the client's own token has no email.
	adminToken := p.Sign(t, p.Claims(map[string]any{"sub": "admin-1", "email": admin}))
	own := p.Sign(t, p.Claims(map[string]any{"sub": "gateway", "azp": "gateway", "client_id": "gateway", "email": nil, "email_verified": nil}))
	as := func(token, method, path string, body any, headers ...string) *httptest.ResponseRecorder {
		return b.do("", method, path, body, append([]string{"Authorization", "Bearer " + token}, headers...)...)
	}
	requireProblem(t, as(own, http.MethodPost, "/api/events", map[string]any{}), 401, "unauthenticated")

	in := map[string]any{"clinicId": b.clinicID, "name": "Gateway", "clientId": "gateway"}
	require.Equal(t, []string{"issuer"}, requireProblem(t, as(adminToken, http.MethodPost, "/api/service-accounts", with(in, "issuer", "https://other.example")), 422, "invalid"))
	w := as(adminToken, http.MethodPost, "/api/service-accounts", with(in, "issuer", p.URL))
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	path := w.Header().Get("Location")
	account := decode(t, w)
	require.Equal(t, "/api/service-accounts/"+account["id"].(string), path)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	require.Equal(t, p.URL, account["issuer"])
	w = as(adminToken, http.MethodPost, "/api/service-accounts", in)
	require.Equal(t, []string{"clientId"}, requireProblem(t, w, 409, "conflict"))
	require.Contains(t, w.Body.String(), account["id"], "the conflict names what is in the way")

	g := &gateway{b, account["id"].(string), own}
	require.Equal(t, "pending", account["status"])
	requireProblem(t, g.post(structured, g.reading()), 401, "unauthenticated")
	requireProblem(t, b.activate(own, "x"), 404, "not_found")
	requireProblem(t, b.activate("x", account["activationCode"]), 401, "token_invalid")
	w = as(adminToken, http.MethodGet, path, nil)
	require.NotContains(t, w.Body.String(), "activationCode")
	w = as(adminToken, http.MethodPost, path+"/activation-code", nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	requireProblem(t, b.activate(own, account["activationCode"]), 404, "not_found")
	w = b.activate(own, decode(t, w)["activationCode"])
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, "active", decode(t, w)["status"])
	require.Equal(t, http.StatusAccepted, g.post(structured, g.reading()).Code)
	// A person who signed in through that client is not the client.
	person := p.Sign(t, p.Claims(map[string]any{"sub": "doctor-1", "azp": "gateway", "client_id": "gateway"}))
	requireProblem(t, as(person, http.MethodPost, "/api/events", g.reading()), 403, "forbidden")
	require.Equal(t, b.ids[doctor].String(), decode(t, as(person, http.MethodGet, "/api/me", nil))["id"])

	off := map[string]any{"name": "Gateway", "status": "disabled"}
	requireProblem(t, as(adminToken, http.MethodPut, path, off), 428, "precondition_required")
	requireProblem(t, as(adminToken, http.MethodPut, path, off, "If-Match", `"9"`), 412, "precondition_failed")
	require.Equal(t, []string{"status"}, requireProblem(t, as(adminToken, http.MethodPut, path, with(off, "status", "gone"), "If-Match", `"3"`), 422, "invalid"))
	w = as(adminToken, http.MethodPut, path, off, "If-Match", `"3"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"4"`, w.Header().Get("ETag"))
	w = g.post(structured, g.reading())
	requireProblem(t, w, 403, "forbidden")
	require.Contains(t, w.Body.String(), "disabled")

	list := decode(t, as(adminToken, http.MethodGet, "/api/service-accounts", nil))["items"].([]any)
	require.Len(t, list, 1)
	require.Equal(t, "disabled", list[0].(map[string]any)["status"])
	w = as(adminToken, http.MethodGet, path, nil)
	require.Equal(t, `"4"`, w.Header().Get("ETag"))
	requireProblem(t, as(adminToken, http.MethodGet, "/api/service-accounts/"+uuid.NewString(), nil), 404, "not_found")
	requireProblem(t, as(adminToken, http.MethodDelete, path, nil), 405, "method_not_allowed")
	requireProblem(t, as(person, http.MethodGet, "/api/service-accounts", nil), 403, "forbidden")
}

// FuzzEvents sends anything at all as an event or a batch: whatever it is, the answer is the client's fault or a success.
func FuzzEvents(f *testing.F) {
	g := setup(f).letIn("gateway")
	text, err := json.Marshal(g.reading())
	require.NoError(f, err)
	for _, seed := range []string{string(text), "[" + string(text) + "]", "", "{}", "null", "[null]", `{"data":[]}`, `{"data":{"":""}}`, `[[]]`, strings.Replace(string(text), "1.0", `\u0000`, 1)} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, mode byte) {
		req := httptest.NewRequest(http.MethodPost, "/api/events", strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer "+g.token)
		req.Header.Set("Content-Type", []string{structured, batched, plain}[mode%3])
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, req)
		requireFault(t, w)
	})
}
