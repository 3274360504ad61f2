package rest_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi/problem"
	"carewire/internal/httpapi/rest"
)

// quiet lets a fuzzer run for long: what a test reads of its log it would keep for ever.
func quiet(c *config) {
	c.Logger, c.RateLimit = slog.New(slog.DiscardHandler), 1_000_000
}

// requireFault asserts that an answer is a success, or a problem that is the client's fault and says so.
func requireFault(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 200 && w.Code < 300 {
		return
	}
	require.Contains(t, []int{400, 403, 404, 409, 412, 413, 422}, w.Code, "%s", w.Body)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var p problem.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Detail)
	require.True(t, w.Code != http.StatusUnprocessableEntity || len(p.Errors) > 0, "a refusal of a field names it: %s", w.Body)
	for _, e := range p.Errors {
		require.NotEmpty(t, e.Message)
	}
}

// hostile is what is no good body anywhere, and a body with something in it that is hard to read or to keep.
func hostile(body string) []string {
	return []string{
		body, "", "{}", "null", "[]", `"x"`, `{"":""}`, "\xff", body[:len(body)-1], body + body, strings.Replace(body, `"`, `"\ud800`, 3), strings.Replace(body, ":", ":[]+", 1),
		strings.Replace(body, `":"`, `":"\u0000`, 1), strings.Replace(body, `":"`, `":"`+strings.Repeat("x", 300), 1), strings.ReplaceAll(body, `":"`, `":"urn:uuid:`),
	}
}

// FuzzWriteRecord sends anything at all as a record of each kind: whatever it is, the answer is the client's fault or a
// success.
func FuzzWriteRecord(f *testing.F) {
	b := setup(f, quiet)
	kinds := rest.Kinds()
	for i, spec := range kinds {
		k := &kindTest{bundle: b, spec: spec}
		text, err := json.Marshal(k.body())
		require.NoError(f, err)
		for _, seed := range hostile(string(text)) {
			f.Add(byte(i), []byte(seed))
		}
	}
	text, err := json.Marshal(b.report())
	require.NoError(f, err)
	report := byte(slices.IndexFunc(kinds, func(s ehr.Spec) bool { return s.Path == "lab-reports" }))
	for _, change := range [][2]string{
		{"4.10", "1e400"},
		{"4.10", "-0"},
		{"4.10", "1E+2"},
		{"4.10", `{"system":"a","code":"b"}`},
		{"final", `\u0000`},
		{"2026-03-14", "0000-00-00"},
		{"2026-03-14", "-2026-03-14"},
		{`"results":[`, `"results":[null,`},
		{`"results":[`, `"results":[[],`},
		{`"patientId":"`, `"patientId":"urn:uuid:`},
	} {
		f.Add(report, []byte(strings.Replace(string(text), change[0], change[1], 1)))
	}
	token, server := b.token(doctor), b.server
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/api/ehr/"+kinds[int(kind)%len(kinds)].Path, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		requireFault(t, w)
	})
}

// target is a route that takes a body.
type target struct {
	token, method, path string
	headers             http.Header
}

// targets are the routes other than those that write a record, and a good body for each.
func (b *bundle) targets() (all []*target, bodies []string) {
	b.t.Helper()
	add := func(method string, p post) {
		text, err := json.Marshal(p.body)
		require.NoError(b.t, err)
		req := b.request(p.as, method, p.path, nil, p.headers...)
		all, bodies = append(all, &target{b.token(p.as), method, p.path, req.Header}), append(bodies, string(text))
	}
	posts := b.posts()
	for _, name := range []string{
		"amend-LabReport", "retract-LabReport", "publish-rules", "roll-back-rules", "create-service-account", "create-clinic", "create-user", "register-device",
		"create-appointment", "reschedule-appointment", "issue-invoice", "record-payment", "record-refund", "issue-credit-note",
	} {
		p := posts[name]()
		if name == "amend-LabReport" {
			add(http.MethodPut, post{as: doctor, path: b.writeReport(), body: b.report(), headers: p.headers})
		}
		add(http.MethodPost, p)
	}
	add(http.MethodPost, post{as: operator, path: "/api/rules/check", body: posts["publish-rules"]().body})
	add(http.MethodPut, post{as: patient, path: "/api/me/preferences", body: map[string]any{"category": "billing", "channel": "email", "enabled": false}})
	w := b.do(admin, http.MethodPost, "/api/users", map[string]any{"email": "mara@demo.example", "givenName": "Mara", "familyName": "Keller", "clinicId": b.clinicID, "roles": []string{"patient"}})
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	change := map[string]any{"email": "mara@demo.example", "givenName": "Mara", "familyName": "Berg", "locale": "de-DE", "timeZone": "Europe/Berlin", "status": "active"}
	add(http.MethodPut, post{as: admin, path: w.Header().Get("Location"), body: change, headers: []string{"If-Match", `"1"`}})
	account := "/api/service-accounts/" + b.letIn("fuzzed").id
	add(http.MethodPut, post{as: admin, path: account, body: map[string]any{"name": "Gateway", "status": "disabled"}, headers: []string{"If-Match", `"1"`}})
	return all, bodies
}

// FuzzBody sends anything at all as the body of each other route.
func FuzzBody(f *testing.F) {
	b := setup(f, quiet)
	all, bodies := b.targets()
	for i, body := range bodies {
		for _, seed := range hostile(body) {
			f.Add(byte(i), []byte(seed))
		}
	}
	server := b.server
	f.Fuzz(func(t *testing.T, route byte, body []byte) {
		to := all[int(route)%len(all)]
		req := httptest.NewRequest(to.method, to.path, bytes.NewReader(body))
		req.Header = to.headers.Clone()
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		requireFault(t, w)
		if tag := w.Header().Get("ETag"); tag != "" && to.headers.Get("If-Match") != "" {
			to.headers.Set("If-Match", tag) // The next one is about what this one wrote.
		}
	})
}

// FuzzQuery sends anything at all as a query, an id in the path, and the headers that a handler reads.
func FuzzQuery(f *testing.F) {
	b := setup(f, quiet)
	type read struct{ as, path string }
	reads := []read{
		{doctor, "/api/ehr/lab-reports"},
		{doctor, "/api/ehr/lab-reports/{}"},
		{doctor, "/api/ehr/lab-reports/{}/history"},
		{doctor, "/api/ehr/lab-reports/" + b.ids[patient].String() + "/history/{}"},
		{receptionist, "/api/appointments"},
		{receptionist, "/api/appointments/{}"},
		{receptionist, invoicesPath},
		{receptionist, invoicesPath + "/{}"},
		{admin, "/api/users"},
		{admin, "/api/users/{}"},
		{admin, "/api/service-accounts"},
		{admin, "/api/service-accounts/{}"},
		{operator, "/api/deliveries"},
		{operator, "/api/notifications"},
		{patient, "/api/notifications"},
		{patient, "/api/notifications/explain"},
		{auditor, "/api/audit"},
		{operator, "/api/stats/events"},
		{operator, "/api/rules"},
		{operator, "/api/rules/diff"},
		{operator, "/api/rules/{}"},
		{operator, "/api/outbox/rejected"},
		{operator, "/api/followers/{}/failures"},
	}
	id := b.ids[patient].String()
	mark := "AAY0_rM1aEABAgMAAAAAAAAAAAAAAAAA"
	for i := range reads {
		b.token(reads[i].as)
		for _, query := range []string{
			"", "limit=1&cursor=" + mark, "limit=201", "limit=1&limit=2", "patientId=" + id + "&clinicId=" + id, "from=2026-03-14T09:30:00Z&to=9999-12-31T23:59:59.999999999Z", "status=final&state=failed&role=doctor&code=http%3A%2F%2Floinc.org%7C2823-3",
			"subject=lab_report/" + id, "eventId=" + id + "&recipientId=" + id, "from=1&to=2", "%zz", "a=%00", "%ff=1", ";", "cursor=%ff",
		} {
			f.Add(byte(i), query, id, `"1"`)
		}
		f.Add(byte(i), "", "1", "W/\"1\", *")
		f.Add(byte(i), "", "\x00/..", "\n")
	}
	tokens, server := b.tokens, b.server
	f.Fuzz(func(t *testing.T, route byte, query, id, tag string) {
		to := reads[int(route)%len(reads)]
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		path := strings.ReplaceAll(to.path, "{}", id)
		req.URL = &url.URL{Path: path, RawPath: strings.ReplaceAll(to.path, "{}", url.PathEscape(id)), RawQuery: query}
		req.Header.Set("Authorization", "Bearer "+tokens[to.as])
		req.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		if w.Code != http.StatusNotModified && w.Code != http.StatusMethodNotAllowed {
			requireFault(t, w)
		}
	})
}
