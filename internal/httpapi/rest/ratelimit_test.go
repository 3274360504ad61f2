package rest_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/httpapi"
)

// from makes a request for /api/me that comes from the address.
func (b *bundle) from(addr, as string, headers ...string) *http.Request {
	r := b.request(as, http.MethodGet, "/api/me", nil, headers...)
	r.RemoteAddr = addr
	return r
}

// exhaust fails to sign in from the address until it is answered with 429.
func (b *bundle) exhaust(addr string, headers ...string) {
	b.t.Helper()
	b.untilLimited(func() *http.Request {
		return b.from(addr, "", append(headers, "Authorization", "Bearer garbage")...)
	})
}

// untilLimited makes requests that fail to sign in until one is answered with 429.
func (b *bundle) untilLimited(request func() *http.Request) {
	b.t.Helper()
	for range 1000 {
		w := b.send(request())
		if w.Code == http.StatusTooManyRequests {
			require.NotEmpty(b.t, w.Header().Get("Retry-After"))
			return
		}
		require.Equal(b.t, http.StatusUnauthorized, w.Code)
	}
	b.t.Fatal("never limited")
}

const shared = "203.0.113.9:4711"

func TestAuth_SlowsDownWhoGuessesAndNobodyElse(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.RateLimit = 5 })
	requireProblem(t, b.send(b.from(shared, "", "Authorization", "x")), 401, "unauthenticated")
	b.exhaust(shared)
	requireProblem(t, b.send(b.from("198.51.100.7:1234", "", "Authorization", "Bearer garbage")), 401, "token_invalid")
}

// What verifies passes, however many others fail from the same address: a token, new or known, a session, a socket's ticket, an
// invitation.
func TestAuth_LetsWhoeverProvesWhoTheyAreInWhateverOthersFail(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.RateLimit = 50 })
	ctx := t.Context()
	session, _, err := b.cfg.Directory.CreateSession(ctx, care.Command{Actor: care.Actor{ID: b.ids[nurse].String(), UserID: b.ids[nurse]}}, time.Hour)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, b.send(b.from(shared, doctor)).Code)
	for range 3 {
		b.exhaust(shared)
		require.Equal(t, http.StatusOK, b.send(b.from(shared, doctor)).Code, "a token known before")
		require.Equal(t, http.StatusOK, b.send(b.from(shared, admin)).Code, "a token not seen before")
		b.untilLimited(func() *http.Request {
			return b.from(shared, "", "Cookie", "carewire_session=x")
		})
		require.Equal(t, http.StatusOK, b.send(b.from(shared, "", "Cookie", "carewire_session="+session)).Code, "a session")
	}
	accept := func(as string, headers ...string) *http.Request {
		r := b.request(as, http.MethodPost, "/api/invitations/accept", `{"token": "nothing"}`, headers...)
		r.RemoteAddr = shared
		return r
	}
	b.untilLimited(func() *http.Request { return accept("", "Authorization", "Bearer garbage") })
	requireProblem(t, b.send(accept(patient)), 404, "not_found")
}

// An invitation's acceptance asks who one is before it reads what was sent.
func TestInvitationAccept_AsksWhoBeforeItReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/invitations/accept"
	requireProblem(t, b.do("", http.MethodPost, path, strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), 401, "unauthenticated")
	requireProblem(t, b.do("", http.MethodPost, path, `{"bogus": 1}`, "Authorization", "Bearer garbage"), 401, "token_invalid")
	requireProblem(t, b.do(doctor, http.MethodPost, path, `{"token": "`+strings.Repeat("x", 5000)+`"}`), 413, "too_large")
	require.ElementsMatch(t, []string{"bogus", "token"}, requireProblem(t, b.do(doctor, http.MethodPost, path, `{"bogus": 1}`), 422, "invalid"))
}

func TestPeer_IsTheClientOfATrustedProxy(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) {
		c.RateLimit = 5
		for _, text := range []string{"10.0.0.0/8", "2001:db8:ffff::/48"} {
			c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(text))
		}
	})
	const proxy, proxy6 = "10.1.2.3:80", "[2001:db8:ffff::1]:80"
	b.exhaust(proxy, "X-Forwarded-For", "192.0.2.1")
	b.exhaust(proxy, "X-Forwarded-For", "2001:db8:1:2::1")
	limited := func(remote string, headers ...string) bool {
		r := b.from(remote, "", "Authorization", "Bearer garbage")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		w := b.send(r)
		return w.Code == http.StatusTooManyRequests
	}
	const xff = "X-Forwarded-For"
	for name, headers := range map[string][]string{
		"itself":                       {xff, "192.0.2.1"},
		"with a port":                  {xff, "192.0.2.1:5555"},
		"mapped to IPv6":               {xff, "::ffff:192.0.2.1"},
		"behind what a client claims":  {xff, "198.51.100.1, 192.0.2.1"},
		"behind garbage":               {xff, "garbage,192.0.2.1"},
		"before another proxy":         {xff, "192.0.2.1, 10.9.9.9"},
		"on lines of their own":        {xff, "192.0.2.1", xff, "10.9.9.9"},
		"in Forwarded":                 {"Forwarded", `for=198.51.100.1, For=192.0.2.1;proto=https`},
		"not in Forwarded beside":      {xff, "192.0.2.1", "Forwarded", "for=198.51.100.1"},
		"the same /64":                 {xff, "2001:db8:1:2:aaaa::7"},
		"the same /64, with a port":    {xff, "[2001:db8:1:2::9]:443"},
		"the same /64 in Forwarded":    {"Forwarded", `for="[2001:db8:1:2::9]:443"`},
		"the same /64 behind IPv6 too": {xff, "2001:db8:1:2::1, 2001:db8:ffff::9"},
	} {
		require.True(t, limited(proxy, headers...), name)
		require.True(t, limited(proxy6, headers...), name)
		require.False(t, limited("198.51.100.200:80", headers...), "who is no proxy is not believed: %s", name)
		b.server = fresh(t, b.cfg)
		b.exhaust(proxy, xff, "192.0.2.1")
		b.exhaust(proxy, xff, "2001:db8:1:2::1")
	}
	for name, headers := range map[string][]string{
		"another":             {xff, "192.0.2.2"},
		"another network":     {xff, "2001:db8:1:3::1"},
		"nobody":              nil,
		"garbage":             {xff, "192.0.2.1, garbage"},
		"nothing":             {xff, ""},
		"what clients claim":  {xff, "192.0.2.1, 198.51.100.77"},
		"an obfuscated name":  {"Forwarded", "for=_hidden"},
		"Forwarded of no one": {"Forwarded", "proto=https"},
	} {
		require.False(t, limited(proxy, headers...), name)
	}
	require.Contains(t, b.log.String(), `"peer":"192.0.2.1"`, "refused sign-ins are logged with their address")
}

// fresh makes another server of the configuration, with limits of its own.
func fresh(t *testing.T, cfg config) *httpapi.Server {
	t.Helper()
	cfg.Registerer = nil
	s, err := newServer(cfg)
	require.NoError(t, err)
	return s
}
