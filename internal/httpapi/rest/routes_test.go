package rest_test

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi"
	"carewire/internal/httpapi/rest"
	"carewire/internal/httpapi/web"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hello answers every request.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello " + r.URL.Path)) })

func TestSpecification_IsTheGolden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do("", http.MethodGet, "/openapi.yaml", nil)
	require.Equal(t, http.StatusOK, w.Code)
	golden := filepath.Join("testdata", "openapi.yaml")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, w.Body.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), w.Body.String(), "the API changed: run with -update and look at the difference")
}

func TestRoutes_AnswerNobodyWithoutASignIn(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.Pages.Sandbox, c.Pages.Dashboard = hello, hello })
	for _, path := range []string{
		"/api/me", "/api/me/devices", "/api/me/preferences", "/api/notifications", "/api/notifications/explain", "/api/stats/events", "/api/users", "/api/ehr/lab-reports", "/api/ehr/prescriptions", "/api/conversations",
		"/api/audit?subject=a/b", "/sandbox", "/sandbox/messages", "/admin/river", "/admin/river/api/jobs",
	} {
		requireProblem(t, b.do("", http.MethodGet, path, nil), 401, "unauthenticated")
	}
	requireProblem(t, b.do("", http.MethodPost, "/api/socket/tickets", nil), 401, "unauthenticated")
}

func TestDashboard_IsForOperatorsAndSendsOnlyPeopleToLogin(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) {
		c.Pages.Sandbox, c.Pages.Dashboard, c.Pages.Login = hello, hello, web.LoginConfig{ClientID: "browser"}
	})
	for _, path := range []string{"/admin/river", "/admin/river/", "/admin/river/api/jobs", "/sandbox", "/sandbox/messages?channel=email"} {
		require.Equal(t, http.StatusOK, b.do(operator, http.MethodGet, path, nil).Code, path)
		for _, who := range []string{admin, auditor, doctor, patient} {
			requireProblem(t, b.do(who, http.MethodGet, path, nil), 403, "forbidden")
		}
		w := b.do("", http.MethodGet, path, nil, "Accept", "text/html,application/xhtml+xml")
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.True(t, strings.HasPrefix(w.Header().Get("Location"), "/login?next=%2F"), w.Header().Get("Location"))
		requireProblem(t, b.do("", http.MethodGet, path, nil, "Accept", "application/json"), 401, "unauthenticated")
	}
	requireProblem(t, b.do("", http.MethodPost, "/admin/river/api/jobs/cancel", nil, "Accept", "text/html"), 401, "unauthenticated")
	require.Equal(t, 20, b.events("access.denied"), "each refusal of a route is committed")
}

func TestSandbox_IsOpenInTheDemoButNotToOtherSites(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, func(c *config) { c.Pages.Sandbox = hello })
	require.Equal(t, "hello /sandbox/messages", b.do("", http.MethodGet, "/sandbox/messages?channel=email", nil).Body.String())
	require.Equal(t, http.StatusOK, b.do("", http.MethodPost, "/sandbox/faults", `{}`).Code)
	for host, status := range map[string]int{
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "": 421,
		"localhost:8080": 200, "LOCALHOST.": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "carewire.test": 200, "Carewire.Test:443": 200,
	} {
		for _, path := range []string{"/sandbox/faults", "/login"} {
			r := b.request("", http.MethodPost, path, `{}`, "Origin", "http://"+host)
			r.Host = host
			if w := b.send(r); status == 421 {
				requireProblem(t, w, status, "wrong_host")
			} else {
				require.NotEqual(t, 421, w.Code, host)
			}
		}
	}
	requireProblem(t, b.do("", http.MethodPost, "/sandbox/faults", `{}`, "Sec-Fetch-Site", "cross-site"), 403, "cross_origin")
	require.Equal(t, http.StatusOK, b.do("", http.MethodGet, "/metrics", nil).Code)
	require.Contains(t, b.do("", http.MethodGet, "/metrics", nil).Body.String(), `carewire_http_requests_total{method="GET",route="/sandbox/*",status="200"} 1`)
}

func TestMetrics_AreNotOnTheMainAddressOutsideTheDemo(t *testing.T) {
	t.Parallel()
	requireProblem(t, setup(t).do("", http.MethodGet, "/metrics", nil), 404, "not_found")
}

func TestHealth_NamesTheVersionOfTheBinary(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.Version = "v1.2.3-4-g8d5f3c1" })
	require.Equal(t, "alive\nversion: v1.2.3-4-g8d5f3c1\n", b.do("", http.MethodGet, "/livez", nil).Body.String())
	require.Contains(t, b.do("", http.MethodGet, "/openapi.yaml", nil).Body.String(), "version: v1.2.3-4-g8d5f3c1\n")
	require.Equal(t, "alive\n", setup(t).do("", http.MethodGet, "/livez", nil).Body.String())
}

func TestHealth_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	var missing error
	b := setup(t, func(c *config) { c.Ready = func(context.Context) error { return missing } })
	require.Equal(t, http.StatusOK, b.do("", http.MethodGet, "/livez", nil).Code)
	require.Equal(t, http.StatusOK, b.do("", http.MethodGet, "/readyz", nil).Code)
	missing = errors.New("schema: migrations are pending")
	w := b.do("", http.MethodGet, "/readyz", nil)
	requireProblem(t, w, 503, "unavailable")
	require.Contains(t, decode(t, w)["detail"], "migrations are pending")
	require.Equal(t, http.StatusOK, b.do("", http.MethodHead, "/livez", nil).Code)
	head := b.do("", http.MethodHead, "/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, head.Code)
	require.Empty(t, head.Body.String())
}

func TestAnswers_CarryARequestIDThatIsTheClientsOnlyWhenItIsSafe(t *testing.T) {
	t.Parallel()
	const requestID = "7a0e5c1e-4d0b-4f0e-9d3c-6a9f1f4f2b10"
	b := setup(t)
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "X-Request-Id", requestID, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	require.Equal(t, requestID, w.Header().Get("X-Request-Id"))
	var correlation, trace string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT correlation_id, traceparent FROM outbox WHERE type = 'ehr.lab_report.created'`).Scan(&correlation, &trace))
	require.Equal(t, requestID, correlation)
	require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", trace)
	for _, unsafe := range []string{
		"short", strings.Repeat("a", 65), "with space-", `quote"quote`, "line\nbreak--", "Paula.Winter:HIV.positive", "abc-12345678", "1985-03-12-4711",
		"PAULAWINTERHIVPOSITIVEABCD", "paula-winter-0-hiv-positive-000000", requestID + "\n", "\n" + requestID, requestID + requestID,
	} {
		w := b.do(doctor, http.MethodGet, "/api/me", nil, "X-Request-Id", unsafe, "Traceparent", unsafe)
		require.NotEqual(t, unsafe, w.Header().Get("X-Request-Id"))
		require.Len(t, w.Header().Get("X-Request-Id"), 26)
	}
	for _, safe := range []string{
		requestID, strings.ToUpper(requestID), strings.ReplaceAll(requestID, "-", ""), "01ARZ3NDEKTSV4RRFFQ69G5FAV", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		require.Equal(t, safe, b.do(doctor, http.MethodGet, "/api/me", nil, "X-Request-Id", safe).Header().Get("X-Request-Id"))
	}
	require.NotContains(t, b.log.String(), "Paula")
	require.Contains(t, b.log.String(), `"route":"/api/ehr/lab-reports"`)
	require.Contains(t, b.log.String(), b.ids[doctor].String())
}

func TestAnswers_LetOnlyConfiguredOriginsIn(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.Origins = []string{"https://app.example"} })
	preflight := []string{"Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "if-match"}
	w := b.do("", http.MethodOptions, "/api/me/preferences", nil, preflight...)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Equal(t, "https://app.example", w.Header().Get("Access-Control-Allow-Origin"))
	require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "If-Match")
	require.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "https://app.example", b.do(doctor, http.MethodGet, "/api/me", nil, "Origin", "https://app.example").Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "https://app.example", b.do("", http.MethodGet, "/api/me", nil, "Origin", "https://app.example").Header().Get("Access-Control-Allow-Origin"), "refusals can be read too")
	for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example"} {
		preflight[1] = origin
		require.Empty(t, b.do("", http.MethodOptions, "/api/me/preferences", nil, preflight...).Header().Get("Access-Control-Allow-Origin"), origin)
		require.Empty(t, b.do(doctor, http.MethodGet, "/api/me", nil, "Origin", origin).Header().Get("Access-Control-Allow-Origin"), origin)
	}
}

func TestAnswers_CarryHeadersThatKeepBrowsersSafe(t *testing.T) {
	t.Parallel()
	b := setup(t, demo)
	for _, path := range []string{"/api/me", "/", "/login", "/nothing"} {
		w := b.do("", http.MethodGet, path, nil)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Empty(t, w.Header().Get("Strict-Transport-Security"), "there is no TLS here")
	}
}

func TestFailures_OfOursAreToldOfInGeneralWordsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, func(c *config) {
		c.Pages.Sandbox = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(secret) })
	})
	w := b.do("", http.MethodGet, "/sandbox", nil)
	requireProblem(t, w, 500, "internal")
	require.NotContains(t, w.Body.String(), secret)
	require.NotContains(t, w.Body.String(), "goroutine")
	require.NotContains(t, b.log.String(), secret, "a panic's value can be anything")
	require.Contains(t, b.log.String(), "routes_test.go", "the log has the stack")

	_, err := b.db.Owner.Exec(t.Context(), `REVOKE SELECT ON users FROM carewire_app`)
	require.NoError(t, err)
	b.log.Reset()
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/me", nil), 500, "internal")
	require.Equal(t, 1, strings.Count(b.log.String(), "request failed"), "logged once")
}

func TestNew_RefusesAConfigurationThatIsNotComplete(t *testing.T) {
	t.Parallel()
	_, err := httpapi.New(httpapi.Config{})
	require.ErrorContains(t, err, "Directory")
	b := setup(t)
	require.ErrorContains(t, rest.Register(b.server, rest.Services{Directory: b.cfg.Directory}), "not set: Appointments, Billing")
	require.ErrorContains(t, web.Register(b.server, web.Config{CookieKey: []byte("short")}), "CookieKey")
	b.cfg.BaseURL, b.cfg.Registerer = "nowhere", nil
	_, err = newServer(b.cfg)
	require.ErrorContains(t, err, "BaseURL")
}
