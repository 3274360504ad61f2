package rest_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi"
	"carewire/internal/ledger"
)

func TestHEAD_AnswersLikeGETWithoutTheBody(t *testing.T) {
	t.Parallel()
	b := setup(t, demo)
	server := httptest.NewServer(b.server)
	t.Cleanup(server.Close)
	path := b.writeReport()
	ask := func(method, as, path string) (status int, header http.Header, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		require.NoError(t, err)
		r.Host = "carewire.test"
		if as != "" {
			r.Header.Set("Authorization", "Bearer "+b.token(as))
		}
		answer, err := server.Client().Do(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		content, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, answer.Header, string(content)
	}
	for _, row := range []struct{ as, path string }{
		{doctor, path},
		{doctor, path + "/history"},
		{doctor, "/api/me"},
		{receptionist, path},
		{"", path},
		{doctor, "/api/ehr/lab-reports/" + uuid.NewString()},
		{doctor, "/api/nothing"},
		{doctor, "/api/ehr/lab-reports?limit=0"},
		{"", "/"},
		{"", "/livez"},
		{"", "/readyz"},
		{"", "/openapi.json"},
		{"", "/docs"},
		{"", "/login"},
	} {
		status, get, body := ask(http.MethodGet, row.as, row.path)
		same, head, none := ask(http.MethodHead, row.as, row.path)
		require.NotEmpty(t, body, row.path)
		require.Empty(t, none, row.path)
		require.Equal(t, status, same, row.path)
		for _, h := range []http.Header{get, head} {
			h.Del("Date")
			h.Del("X-Request-Id")
			h.Del("Set-Cookie")
		}
		require.Equal(t, get, head, row.path)
	}
	require.Equal(t, 2, b.readsOf(path), "a HEAD is audited as a read")
	status, header, _ := ask(http.MethodPatch, doctor, path)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.ElementsMatch(t, []string{"OPTIONS", "GET", "HEAD", "PUT"}, strings.Split(header.Get("Allow"), ", "))
	status, _, _ = ask(http.MethodHead, doctor, httpapi.SocketPath)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

// readsOf counts the audited reads of the record at a path.
func (b *bundle) readsOf(path string) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT count(*) FROM outbox WHERE type = 'record.read' AND subject = $1 AND data->>'action' = 'read'`,
		"lab_report/"+path[strings.LastIndex(path, "/")+1:]).Scan(&n))
	return n
}

func TestHEAD_IsServedWhereverGETIs(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.Pages.Sandbox, c.Pages.Dashboard = hello, hello })
	for _, r := range b.server.Routes() {
		if r.Method != http.MethodGet || r.Path == httpapi.SocketPath || r.Path == "/login/callback" {
			continue
		}
		path := strings.NewReplacer(":", "", "*", "x").Replace(r.Path)
		require.Equal(t, b.do("", http.MethodGet, path, nil).Code, b.do("", http.MethodHead, path, nil).Code, path)
	}
}

func TestContentType_IsComparedWithoutCaseAndWithParameters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for value, status := range map[string]int{
		"application/json; charset=UTF-8": 201, "APPLICATION/JSON": 201, "Application/Json;Charset=\"utf-8\"": 201, "application/json ; x=y": 201, "": 201,
		"application/json; charset=iso-8859-1": 415, "application/json; charset=utf-16": 415, "text/json": 415, "application/jsonx": 415, "application": 415,
		"application/json;charset": 415, "application/merge-patch+json": 415,
	} {
		w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "Content-Type", value)
		require.Equal(t, status, w.Code, "%q: %s", value, w.Body)
	}
	r := b.request(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Bearer", "bEARER", 1))
	require.Equal(t, 201, b.send(r).Code)
}

func TestContentEncoding_OfABodyIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for value, status := range map[string]int{"gzip": 415, "GZIP": 415, "identity, br": 415, "zstd": 415, "identity": 201, "": 201} {
		w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "Content-Encoding", value)
		require.Equal(t, status, w.Code, "%q: %s", value, w.Body)
		if status == 415 {
			requireProblem(t, w, 415, "unsupported_media_type")
			require.Equal(t, "identity", w.Header().Get("Accept-Encoding"))
		}
	}
	requireProblem(t, b.do(operator, http.MethodPost, "/api/rules/check", `{"source":"rules: []"}`, "Content-Encoding", "gzip"), 415, "unsupported_media_type")
}

func TestPaths_AreEqualHoweverTheyAreEscaped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	id := path[strings.LastIndex(path, "/")+1:]
	for _, escaped := range []string{
		strings.ToUpper(id), "%" + fmt.Sprintf("%02x", id[0]) + id[1:], strings.ReplaceAll(id, "-", "%2d"), strings.ReplaceAll(id, "-", "%2D"),
	} {
		w := b.do(doctor, http.MethodGet, "/api/ehr/lab-reports/"+escaped, nil)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", escaped, w.Body)
	}
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, "/%61pi/ehr/lab%2Dreports/"+id, nil).Code)
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, "/api/%6De", nil).Code)
	requireProblem(t, b.do(doctor, http.MethodGet, "/api%2Fme", nil), 404, "not_found")
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/ehr/lab-reports/"+id+"%2Fhistory", nil), 422, "invalid")
}

func TestIfMatch_FollowsRFC9110(t *testing.T) {
	t.Parallel()
	b := setup(t)
	draft := with(b.report(), "status", "preliminary")
	path := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", draft).Header().Get("Location")
	for _, row := range []struct {
		header string
		status int
		code   string
	}{
		{`"1"`, 200, ""},
		{`*`, 200, ""},
		{`"1", "3"`, 200, ""},
		{`"3","4"`, 200, ""},
		{`W/"5", "5"`, 200, ""},
		{`"xyz", "6"`, 200, ""},
		{` "7" , `, 200, ""},
		{`W/"8"`, 412, "precondition_failed"},
		{`"1", "2"`, 412, "precondition_failed"},
		{`"xyz"`, 412, "precondition_failed"},
		{`"08"`, 412, "precondition_failed"},
		{`"1,8"`, 412, "precondition_failed"},
		{`""`, 412, "precondition_failed"},
		{`8`, 400, "malformed"},
		{`"8`, 400, "malformed"},
		{`*, "8"`, 400, "malformed"},
		{`"8" "9"`, 400, "malformed"},
		{`w/"8"`, 400, "malformed"},
		{``, 428, "precondition_required"},
	} {
		w := b.do(doctor, http.MethodPut, path, draft, "If-Match", row.header)
		if row.status == 200 {
			require.Equal(t, 200, w.Code, "%s: %s", row.header, w.Body)
			continue
		}
		requireProblem(t, w, row.status, row.code)
		if row.status == 412 {
			require.Equal(t, `"8"`, w.Header().Get("ETag"), row.header)
			require.NotContains(t, w.Body.String(), "9223372036854775807")
		}
	}
	r := b.request(doctor, http.MethodPut, path, draft)
	r.Header["If-Match"] = []string{`"1"`, `"8"`}
	require.Equal(t, 200, b.send(r).Code, "several lines are one list")
	requireProblem(t, b.do(doctor, http.MethodPut, "/api/ehr/lab-reports/"+uuid.NewString(), draft, "If-Match", `*`), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodPut, "/api/clinics/"+b.clinicID.String()+"/settings", `{"appointmentMaxMinutes":60,"criticalHoldMinutes":60}`, "If-Match", `*`), 412, "precondition_failed")
}

func TestIfNoneMatch_FollowsRFC9110(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	for header, status := range map[string]int{
		`"1"`: 304, `W/"1"`: 304, `*`: 304, `"7", W/"1"`: 304, `"2"`: 200, `"a,1"`: 200, ``: 200, `1`: 400, `"1`: 400, `*,"1"`: 400,
	} {
		w := b.do(doctor, http.MethodGet, path, nil, "If-None-Match", header)
		require.Equal(t, status, w.Code, "%q: %s", header, w.Body)
		if status == 304 {
			require.Equal(t, `"1"`, w.Header().Get("ETag"))
		}
	}
	requireProblem(t, b.do(doctor, http.MethodGet, path, nil, "If-None-Match", "1"), 400, "malformed")
}

func TestETags_AreHonouredByEveryGETThatAnswersWithOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	for _, row := range []struct{ as, path string }{
		{doctor, path}, {doctor, path + "/history/1"}, {doctor, "/api/me"}, {admin, "/api/users/" + b.ids[doctor].String()},
	} {
		w := b.do(row.as, http.MethodGet, row.path, nil)
		require.Equal(t, 200, w.Code, w.Body)
		tag := w.Header().Get("ETag")
		require.NotEmpty(t, tag, row.path)
		w = b.do(row.as, http.MethodGet, row.path, nil, "If-None-Match", tag)
		require.Equal(t, 304, w.Code, row.path)
		require.Equal(t, tag, w.Header().Get("ETag"), row.path)
	}
	d := readDocument(t)
	for path, methods := range at(d.root, "paths") {
		get := at(methods.(map[string]any), "get")
		if get == nil || at(get, "responses", "200", "headers", "ETag") == nil {
			continue
		}
		require.NotNil(t, at(get, "responses", "304"), path)
		require.True(t, slices.ContainsFunc(get["parameters"].([]any), func(p any) bool { return d.resolve(p)["name"] == "If-None-Match" }), path)
	}
}

func TestUUIDs_AreComparedWithoutCase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	id := path[strings.LastIndex(path, "/")+1:]
	_, err := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.db.Worker, Logger: slog.New(slog.DiscardHandler)}).Step(t.Context())
	require.NoError(t, err)
	list := decode(t, b.do(auditor, http.MethodGet, "/api/audit?subject=lab_report/"+id, nil))["items"].([]any)
	require.NotEmpty(t, list)
	require.Len(t, decode(t, b.do(auditor, http.MethodGet, "/api/audit?subject=lab_report/"+strings.ToUpper(id), nil))["items"], len(list))
	items := decode(t, b.do(doctor, http.MethodGet, "/api/ehr/lab-reports?patientId="+strings.ToUpper(b.ids[patient].String()), nil))["items"]
	require.Len(t, items, 1)
	upper := with(b.report(), "patientId", strings.ToUpper(b.ids[patient].String()))
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", upper)
	require.Equal(t, 201, w.Code, w.Body)
	require.Equal(t, b.ids[patient].String(), decode(t, w)["patientId"])
}

func TestIntegers_MayHaveAPointOrAnExponent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	invoice := func(quantity, price string) string {
		return fmt.Sprintf(`{"patientId":%q,"clinicId":%q,"currency":"EUR","dueOn":%q,"lines":[{"description":"Visit","quantity":1,"unitMinor":1},{"description":"Visit","quantity":%s,"unitMinor":%s}]}`,
			b.ids[patient], b.clinicID, dueIn(1), quantity, price)
	}
	w := b.do(receptionist, http.MethodPost, invoicesPath, invoice("1.0", "1e2"))
	require.Equal(t, 201, w.Code, w.Body)
	line := decode(t, w)["lines"].([]any)[1].(map[string]any)
	require.InDelta(t, 1.0, line["quantity"], 0)
	require.InDelta(t, 100.0, line["unitMinor"], 0)
	require.Equal(t, []string{"lines[1].unitMinor"}, requireProblem(t, b.do(receptionist, http.MethodPost, invoicesPath, invoice("1", "1.5")), 422, "invalid"))
	require.Contains(t, requireProblem(t, b.do(receptionist, http.MethodPost, invoicesPath, invoice("1e30", "1")), 422, "invalid"), "lines[1].quantity")
	w = b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
	require.Contains(t, w.Body.String(), `"value":4.10`, "decimals keep their digits")
}

func TestTimes_AreThoseOfRFC3339(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for text, want := range map[string]string{
		"2026-03-14t09:30:00z": "2026-03-14T09:30:00Z", "2026-03-14T10:30:00.5+01:00": "2026-03-14T09:30:00.5Z", "2016-12-31T23:59:60Z": "2016-12-31T23:59:59Z",
	} {
		w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", with(b.report(), "effectiveAt", text))
		require.Equal(t, 201, w.Code, "%s: %s", text, w.Body)
		require.Equal(t, want, decode(t, w)["effectiveAt"])
	}
	for _, text := range []string{"2026-03-14T9:30:00Z", "2026-03-14T09:30:00,5Z", "2026-03-14T24:00:00Z", "2026-03-14 09:30:00Z", "2026-03-14T09:30:00+24:00", "2026-03-14T09:30:00", "2026-03-14"} {
		if text != "2026-03-14" { // A record may have a partial date.
			w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", with(b.report(), "effectiveAt", text))
			require.Equal(t, []string{"effectiveAt"}, requireProblem(t, w, 422, "invalid"), text)
		}
		w := b.do(doctor, http.MethodGet, "/api/ehr/lab-reports?from="+strings.NewReplacer("+", "%2B", " ", "%20").Replace(text), nil)
		require.Equal(t, []string{"from"}, requireProblem(t, w, 422, "invalid"), text)
		require.Contains(t, w.Body.String(), "RFC 3339 date and time, such as 2026-03-14T09:30:00Z", text)
	}
	for _, text := range []string{"2026-03-14t09:30:00z", "2016-12-31T23:59:60Z", "2026-03-14T09:30:00%2B01:00"} {
		require.Equal(t, 200, b.do(doctor, http.MethodGet, "/api/ehr/lab-reports?from="+text, nil).Code, text)
	}
}

func TestQueryParameters_SayWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for query, want := range map[string]string{
		"from=2026-03-14T09:30:00+01:00": "must be an RFC 3339 date and time, such as 2026-03-14T09:30:00Z; the value has a space: in a query string, write + as %2B",
		"from=yesterday":                 "must be an RFC 3339 date and time, such as 2026-03-14T09:30:00Z",
		"limit=many":                     "must be a whole number",
		"patientId=7":                    "must be a UUID",
		"patientId=":                     "has no value; send one, or leave the parameter out",
		"patient=7":                      "is unknown; remove it or correct its spelling; want one of patientId, clinicId, doctorId, authorId, status, code, from, to, cursor, limit",
	} {
		w := b.do(doctor, http.MethodGet, "/api/ehr/lab-reports?"+query, nil)
		name, _, _ := strings.Cut(query, "=")
		require.Equal(t, []string{name}, requireProblem(t, w, 422, "invalid"), query)
		require.Equal(t, want, decode(t, w)["errors"].([]any)[0].(map[string]any)["message"], query)
	}
	require.Contains(t, b.do(doctor, http.MethodGet, "/api/me?x=1", nil).Body.String(), "there are no query parameters here")
}

func TestCORS_AllowsEveryHeaderOfTheAPI(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.Origins = []string{"https://app.example"} })
	list := func(value string) (names []string) {
		for name := range strings.SplitSeq(value, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
		return names
	}
	w := b.do("", http.MethodOptions, "/api/me", nil, "Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "idempotency-key")
	allowed, methods := list(w.Header().Get("Access-Control-Allow-Headers")), strings.Split(w.Header().Get("Access-Control-Allow-Methods"), ", ")
	exposed := list(b.do(doctor, http.MethodGet, "/api/me", nil, "Origin", "https://app.example").Header().Get("Access-Control-Expose-Headers"))
	require.Subset(t, allowed, []string{"Authorization", "Content-Type", "X-Request-Id", "Traceparent", "Tracestate"})
	require.Contains(t, methods, "HEAD")
	d := readDocument(t)
	sent := map[string]bool{}
	for path, item := range at(d.root, "paths") {
		for method, v := range item.(map[string]any) {
			require.Contains(t, methods, strings.ToUpper(method), path)
			op := v.(map[string]any)
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				if p := d.resolve(p); p["in"] == "header" {
					sent[p["name"].(string)] = true
					require.Contains(t, allowed, http.CanonicalHeaderKey(p["name"].(string)), "%s %s", method, path)
				}
			}
			for status, answer := range at(op, "responses") {
				for name := range at(d.resolve(answer), "headers") {
					require.Contains(t, exposed, http.CanonicalHeaderKey(name), "%s %s: %s", method, path, status)
				}
			}
		}
	}
	require.True(t, sent["If-Match"] && sent["If-None-Match"] && sent["Idempotency-Key"], "the walk sees parameters")
	for attribute := range at(d.root, "components", "schemas", "ExternalEvent", "properties") {
		if attribute != "data" {
			require.Contains(t, allowed, http.CanonicalHeaderKey("ce-"+attribute))
		}
	}
}
