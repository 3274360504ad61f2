package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/auth/authtest"
	"carewire/internal/httpapi/web"
)

// carry copies the answer's cookies to a request, as a browser would.
func carry(req *http.Request, answers ...*httptest.ResponseRecorder) *http.Request {
	for _, w := range answers {
		for _, c := range w.Result().Cookies() {
			if c.MaxAge >= 0 {
				req.AddCookie(c)
			}
		}
	}
	return req
}

func TestLogin_ThroughTheProviderEndsWhereItBegan(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	begun := b.do("", http.MethodGet, "/login?next=/admin/river/jobs%3Fstate%3Dfailed", nil)
	require.Equal(t, http.StatusSeeOther, begun.Code, "%s", begun.Body)
	callback := p.Approve(t, begun.Header().Get("Location"), nil)
	done := b.send(carry(httptest.NewRequest(http.MethodGet, callback, nil), begun))
	require.Equal(t, http.StatusSeeOther, done.Code, "%s", done.Body)
	require.Equal(t, "/admin/river/jobs?state=failed", done.Header().Get("Location"))
	session := done.Result().Cookies()[0]
	require.Equal(t, "carewire_session", session.Name)
	require.True(t, session.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, session.SameSite)
	me := b.send(carry(b.request("", http.MethodGet, "/api/me", nil), done))
	require.Equal(t, doctor, decode(t, me)["email"])

	out := b.send(carry(b.request("", http.MethodPost, "/logout", nil), done))
	require.Equal(t, http.StatusSeeOther, out.Code)
	requireProblem(t, b.send(carry(b.request("", http.MethodGet, "/api/me", nil), done)), 401, "unauthenticated")
}

func TestLogin_RefusesAnAnswerThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	for name, row := range map[string]struct {
		changes  map[string]any
		callback func(string) string
		noCookie bool
	}{
		"another state":     {callback: func(c string) string { return c[:strings.Index(c, "state=")] + "state=guessed" }},
		"no state":          {callback: func(c string) string { return c[:strings.Index(c, "&state=")] }},
		"another nonce":     {changes: map[string]any{"nonce": "replayed"}},
		"no nonce":          {changes: map[string]any{"nonce": nil}},
		"another audience":  {changes: map[string]any{"aud": audience}},
		"an unknown code":   {callback: func(c string) string { return strings.Replace(c, "code-1", "code-2", 1) }},
		"another browser":   {noCookie: true},
		"the person's no":   {callback: func(c string) string { return c + "&error=access_denied" }},
		"an unknown person": {changes: map[string]any{"sub": "x", "email": "stranger@demo.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			begun := b.do("", http.MethodGet, "/login", nil)
			callback := p.Approve(t, begun.Header().Get("Location"), row.changes)
			if row.callback != nil {
				callback = row.callback(callback)
			}
			req := httptest.NewRequest(http.MethodGet, callback, nil)
			if !row.noCookie {
				carry(req, begun)
			}
			w := b.send(req)
			require.Equal(t, http.StatusUnauthorized, w.Code, "%s", w.Body)
			require.Empty(t, w.Result().Cookies())
		})
	}
}

func TestLogin_IsNotThereForBrowsersWithoutAClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requireProblem(t, b.do("", http.MethodGet, "/login", nil), 404, "not_found")
	requireProblem(t, b.do("", http.MethodPost, "/login", "email="+operator, "Content-Type", "application/x-www-form-urlencoded"), 404, "not_found")
}

// demo makes a server for a demo.
func demo(c *config) {
	c.Demo = true
	c.Pages.DemoPeople = []web.DemoPerson{{Email: operator, Name: "Olga Marin", Role: "operator"}, {Email: doctor, Name: "Daniel Okafor", Role: "doctor", Clinic: "Demo Clinic"}}
}

// demoLogin signs a browser in as one of the demo's people.
func (b *bundle) demoLogin(email, next string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	page := b.do("", http.MethodGet, "/login?next="+url.QueryEscape(next), nil)
	require.Equal(b.t, http.StatusOK, page.Code, "%s", page.Body)
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page.Body.String())[1]
	form := url.Values{"email": {email}, "token": {token}}
	req := b.request("", http.MethodPost, "/login", form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
	return b.send(carry(req, page))
}

func TestLogin_InTheDemoIsAChoiceOfPeople(t *testing.T) {
	t.Parallel()
	b := setup(t, demo)
	page := b.do("", http.MethodGet, "/login", nil)
	require.Contains(t, page.Body.String(), operator)
	require.Contains(t, page.Body.String(), "Olga Marin")
	require.Contains(t, page.Body.String(), "<h2>Demo Clinic</h2>", "people are grouped by clinic")

	w := b.demoLogin(operator, "/admin/river")
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	require.Equal(t, "/admin/river", w.Header().Get("Location"))
	require.Equal(t, operator, decode(t, b.send(carry(b.request("", http.MethodGet, "/api/me", nil), w)))["email"])

	require.Equal(t, []string{"email"}, requireProblem(t, b.demoLogin("stranger@demo.example", "/"), 422, "invalid"))
	requireProblem(t, b.do("", http.MethodPost, "/login", "email="+operator, "Content-Type", "application/x-www-form-urlencoded"), 403, "cross_origin")
	requireProblem(t, b.demoLogin(operator, "/", "Sec-Fetch-Site", "cross-site"), 403, "cross_origin")
}

func TestLogin_NeverLeadsAway(t *testing.T) {
	t.Parallel()
	b := setup(t, demo)
	for _, next := range []string{
		"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "evil.example", "javascript:alert(1)",
		"http:evil.example", "", "///evil.example", "/%0a/evil\n", "\x00/",
	} {
		w := b.demoLogin(doctor, next)
		require.Equal(t, http.StatusSeeOther, w.Code, "%q: %s", next, w.Body)
		require.Equal(t, "/", w.Header().Get("Location"), "%q", next)
	}
	require.Equal(t, "/openapi.yaml?x=1#y", b.demoLogin(doctor, "/openapi.yaml?x=1#y").Header().Get("Location"))
}

func TestCookies_AreMarkedSecureBehindTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, func(c *config) { c.BaseURL = "https://carewire.test" })
	w := b.demoLogin(doctor, "/")
	require.True(t, w.Result().Cookies()[0].Secure)
	require.NotEmpty(t, w.Header().Get("Strict-Transport-Security"))
}

func TestCookies_CountForChangesFromTheSameOriginOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, func(c *config) {
		c.Pages.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	})
	session := b.demoLogin(operator, "/")
	preference := map[string]any{"category": "clinical", "channel": "email", "enabled": false}
	for _, row := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"same origin", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"same origin, old browser", []string{"Origin", "http://carewire.test"}, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a sibling site", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another origin, old browser", []string{"Origin", "https://evil.example"}, 403},
		{"no origin at all", []string{"Origin", "null"}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := b.send(carry(b.request("", http.MethodPut, "/api/me/preferences", preference, row.headers...), session))
			require.Equal(t, row.status, w.Code, "%s", w.Body)
			river := b.send(carry(b.request("", http.MethodPost, "/admin/river/api/jobs/cancel", nil, row.headers...), session))
			require.Equal(t, row.status == 200, river.Code == http.StatusNoContent, "%s", river.Body)
			logout := b.send(b.request("", http.MethodPost, "/logout", nil, row.headers...))
			require.Equal(t, row.status == 200, logout.Code == http.StatusSeeOther)
		})
	}
	read := b.send(carry(b.request("", http.MethodGet, "/api/me", nil, "Sec-Fetch-Site", "cross-site"), session))
	require.Equal(t, http.StatusOK, read.Code, "reading changes nothing, and the other page cannot see the answer")
	bearer := b.do(operator, http.MethodPut, "/api/me/preferences", preference, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusOK, bearer.Code, "a browser adds no token by itself")
}
