package rest_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/web"
)

var everyRole = []string{patient, doctor, nurse, receptionist, admin, auditor, operator}

// demoPages makes a server for a demo in which everybody of the clinic can sign in.
func demoPages(c *config) {
	c.Demo = true
	c.Pages.Sandbox, c.Pages.Dashboard = hello, hello
	for _, email := range everyRole {
		c.Pages.DemoPeople = append(c.Pages.DemoPeople, web.DemoPerson{Email: email, Name: "Paula Winter", Role: strings.TrimSuffix(email, "@demo.example"), Clinic: "Demo Clinic"})
	}
	c.Pages.Events = func(context.Context) ([]web.EventCount, error) {
		return []web.EventCount{{Type: "ehr.lab_report.created", Count: 12}}, nil
	}
}

// appointmentInput, invoiceInput are about the clinic's patient.
func (b *bundle) appointmentInput() map[string]any {
	at := time.Now().AddDate(0, 0, 3).UTC().Truncate(24 * time.Hour).Add(9 * time.Hour)
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "doctorId": b.ids[doctor], "startsAt": at, "endsAt": at.Add(30 * time.Minute),
	}
}

func (b *bundle) invoiceInput() map[string]any {
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "currency": "EUR", "number": "2026-1", "dueOn": time.Now().AddDate(0, 1, 0).Format(time.DateOnly),
		"lines": []any{map[string]any{"description": "Blood panel", "quantity": 2, "unitMinor": 425000, "taxBps": 1900}},
	}
}

// made makes a request that creates something, and returns its id.
func (b *bundle) made(as, path string, body any) string {
	b.t.Helper()
	w := b.do(as, http.MethodPost, path, body)
	require.Equal(b.t, http.StatusCreated, w.Code, "%s: %s", path, w.Body)
	return decode(b.t, w)["id"].(string)
}

// browse asks for a page as a browser with a session, or none.
func (b *bundle) browse(session *httptest.ResponseRecorder, path string) *httptest.ResponseRecorder {
	b.t.Helper()
	req := b.request("", http.MethodGet, path, nil, "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if session != nil {
		carry(req, session)
	}
	return b.send(req)
}

var localLink = regexp.MustCompile(` (?:href|src|action)="(/[^"]*)`)

// requirePage asserts the parts that every page has, and returns the paths that it links to, with
// their anchors.
func requirePage(t *testing.T, name string, w *httptest.ResponseRecorder) []string {
	t.Helper()
	page := w.Body.String()
	require.Equal(t, "text/html; charset=UTF-8", w.Header().Get("Content-Type"), name)
	for _, once := range []string{`<html lang="en">`, "<main ", "<h1>", "<header ", `<a class="skip" href="#main">`, `name="viewport"`, `name="color-scheme"`, `rel="icon"`, `rel="stylesheet"`} {
		require.Equal(t, 1, strings.Count(page, once), "%s: %s in %s", name, once, page)
	}
	require.Regexp(t, `<title>[^<]+ · carewire</title>`, page, name)
	require.NotRegexp(t, `<style|<script>| style="| on[a-z]+="|(src|href)="(https?:)?//`, page, "%s: nothing inline, nothing from elsewhere", name)
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'", name)
	require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe", name)
	require.NotContains(t, page, "ZgotmplZ", name)
	var paths []string
	for _, m := range localLink.FindAllStringSubmatch(page, -1) {
		paths = append(paths, html.UnescapeString(m[1]))
	}
	return paths
}

func TestPages_HaveNoDeadLinkForAnyRole(t *testing.T) {
	t.Parallel()
	b := setup(t, demoPages)
	b.writeReport()
	b.made(receptionist, "/api/appointments", b.appointmentInput())
	b.made(receptionist, "/api/billing/invoices", b.invoiceInput())
	talk := b.made(patient, "/api/conversations", map[string]any{"patientId": b.ids[patient], "clinicId": b.clinicID})
	b.made(doctor, "/api/conversations/"+talk+"/messages", map[string]any{"text": "Hello."})
	known := map[string]map[string]bool{}
	ids := func(path string) map[string]bool {
		if known[path] == nil {
			known[path] = anchors(t, b.browse(nil, path).Body.String())
		}
		return known[path]
	}
	for _, role := range append([]string{""}, everyRole...) {
		var session *httptest.ResponseRecorder
		if role != "" {
			session = b.demoLogin(role, "/")
		}
		queue, seen := []string{"/"}, map[string]bool{}
		for len(queue) > 0 {
			path, anchor, _ := strings.Cut(queue[0], "#")
			queue = queue[1:]
			if anchor != "" {
				require.True(t, ids(path)[anchor], "%q: nothing is at %s#%s", role, path, anchor)
			}
			// Forms are sent, not opened; the documentation has a test of its own.
			if seen[path] || path == "/logout" || strings.HasSuffix(path, "/read") || strings.HasPrefix(path, "/docs/") {
				continue
			}
			seen[path] = true
			w := b.browse(session, path)
			require.Equal(t, http.StatusOK, w.Code, "%q: %s: %s", role, path, w.Body)
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				queue = append(queue, requirePage(t, role+" "+path, w)...)
			}
		}
		require.Greater(t, len(seen), 5, role)
		require.Equal(t, role == patient || role == doctor || role == nurse, seen["/conversations/"+talk], "%s: %v", role, seen)
	}
}

func TestHome_KnowsWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	b := setup(t, demoPages)
	page := b.browse(nil, "/").Body.String()
	require.Contains(t, page, `href="/login"`)
	require.NotContains(t, page, "Sign out")
	require.Contains(t, page, "ehr.lab_report.created", "the events of the demo")

	session := b.demoLogin(doctor, "/")
	page = b.browse(session, "/").Body.String()
	require.Contains(t, page, "Welcome, Paula Winter")
	require.Contains(t, page, "Doctor at Demo Clinic")
	require.Contains(t, page, "Sign out")
	require.NotContains(t, page, `href="/admin/river"`, "not for doctors")
	require.Contains(t, b.browse(b.demoLogin(operator, "/"), "/").Body.String(), `href="/admin/river"`)

	out := b.send(carry(b.request("", http.MethodPost, "/logout", nil), session))
	require.Equal(t, http.StatusSeeOther, out.Code)
	w := b.browse(session, "/")
	require.Equal(t, http.StatusOK, w.Code, "an ended session is nobody's")
	require.NotContains(t, w.Body.String(), "Sign out")
}

func TestHome_HidesWhatIsNotServed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.browse(nil, "/").Body.String()
	for _, path := range []string{"/login", "/sandbox", "/admin/river"} {
		require.NotContains(t, page, `href="`+path, "there is none")
	}
	require.NotContains(t, page, "Try this")
	w := b.browse(nil, "/notifications/"+uuid.NewString())
	require.Equal(t, http.StatusUnauthorized, w.Code, "browsers cannot sign in")
	require.Contains(t, w.Body.String(), "Browsers cannot sign in")
}

func TestAssets_MayBeKeptUntilTheyChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range localLink.FindAllStringSubmatch(b.browse(nil, "/").Body.String(), -1) {
		if !strings.HasPrefix(path[1], "/assets/") {
			continue
		}
		w := b.do("", http.MethodGet, path[1], nil)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		old, _, _ := strings.Cut(path[1], "?")
		require.Equal(t, "no-cache", b.do("", http.MethodGet, old+"?v=old", nil).Header().Get("Cache-Control"))
	}
	require.Equal(t, "text/css; charset=utf-8", b.do("", http.MethodGet, "/assets/style.css", nil).Header().Get("Content-Type"))
	requireProblem(t, b.do("", http.MethodGet, "/assets/page.html", nil), 404, "not_found")
}

func TestProblems_AreAPageForBrowsersOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, demoPages)
	b.cfg.Pages.Dashboard = hello
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, c := range []struct {
		as, method, path, accept string
		status                   int
		page                     bool
		want                     string
	}{
		{"", "GET", "/nothing", browser, 404, true, "Page not found"},
		{"", "GET", "/nothing", "*/*", 404, false, ""},
		{"", "GET", "/nothing", "", 404, false, ""},
		{"", "GET", "/nothing", "application/json, text/html;q=0.9", 404, false, ""},
		{"", "GET", "/nothing", "text/html;q=0.5, application/problem+json;q=0.4", 404, true, "Page not found"},
		{"", "GET", "/nothing", "text/html;q=0", 404, false, ""},
		{"", "GET", "/nothing", "text/html;q=0.2, */*;q=0.9", 404, false, ""},
		{"", "GET", "/nothing", "text/html;;;", 404, false, ""},
		{"", "GET", "/api/me", browser, 401, true, `href="/login?next=%2Fapi%2Fme"`},
		{"", "GET", "/api/me", "*/*", 401, false, ""},
		{patient, "GET", "/admin/river", browser, 403, true, "Sign in with another account"},
		{patient, "GET", "/admin/river", "*/*", 403, false, ""},
		{patient, "GET", "/api/ehr/lab-reports/" + uuid.NewString(), browser, 404, true, "your account may not see it"},
		{patient, "GET", "/api/ehr/lab-reports/x", browser, 422, true, "<code>"},
		{patient, "GET", "/api/ehr/lab-reports/x", "application/json", 422, false, ""},
		{patient, "PUT", "/api/me", browser, 428, false, ""},
		{"", "POST", "/nothing", browser, 405, false, ""},
	} {
		name := fmt.Sprintf("%s %s %s as %q", c.method, c.path, c.accept, c.as)
		var body any
		if c.method == http.MethodPut {
			body = map[string]any{"locale": "de", "timeZone": "UTC"}
		}
		w := b.do(c.as, c.method, c.path, body, "Accept", c.accept)
		if w.Code == 404 && c.status == 405 {
			c.status = 404
		}
		require.Equal(t, c.status, w.Code, name)
		if !c.page {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), name)
			continue
		}
		requirePage(t, name, w)
		require.Contains(t, w.Body.String(), c.want, name)
		require.Contains(t, w.Header().Get("Vary"), "Accept", name)
		require.Contains(t, w.Body.String(), w.Header().Get("X-Request-Id"), name)
		require.Equal(t, c.status == 401, w.Header().Get("WWW-Authenticate") != "", name)
	}
	session := b.demoLogin(patient, "/")
	for path, status := range map[string]int{"/nothing": 404, "/admin/river": 403, "/records/lab-reports/" + uuid.NewString(): 404} {
		w := b.browse(session, path)
		require.Equal(t, status, w.Code)
		require.Contains(t, w.Body.String(), "You are signed in as <b>Paula Winter</b>", path)
		require.Contains(t, w.Body.String(), "Sign out", path)
	}
	w := b.do("", http.MethodGet, "//evil.example/%2e%2e?a=<b>", nil, "Accept", browser)
	require.NotContains(t, w.Body.String(), `href="//evil`)
	require.NotContains(t, w.Body.String(), "<b>")
	form := b.do("", http.MethodPost, "/login", "email=x", "Accept", browser, "Content-Type", "application/x-www-form-urlencoded")
	requirePage(t, "a form", form)
	require.Equal(t, http.StatusForbidden, form.Code)
}

func TestAnswers_OfOperationsHaveTheirLength(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		as, path string
		status   int
	}{
		{doctor, b.writeReport(), 200},
		{patient, "/api/inbox", 200},
		{patient, "/api/ehr/lab-reports/" + uuid.NewString(), 404},
		{patient, "/api/ehr/lab-reports/x", 422},
	} {
		w := b.do(c.as, http.MethodGet, c.path, nil)
		require.Equal(t, c.status, w.Code, "%s: %s", c.path, w.Body)
		require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"), c.path)
	}
}

func TestProblems_AskToTryAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, demoPages, func(c *config) { c.RateLimit = 1 })
	session := b.demoLogin(patient, "/")
	var w *httptest.ResponseRecorder
	for range 10 {
		if w = b.browse(session, "/records"); w.Code == http.StatusTooManyRequests {
			break
		}
	}
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	requirePage(t, "too many requests", w)
	require.Contains(t, w.Body.String(), `href="/records">Try again`)
}
