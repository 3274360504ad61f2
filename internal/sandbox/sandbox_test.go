package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a sandbox with both of its handlers served.
type bench struct {
	t               *testing.T
	s               *sandbox.Sandbox
	page, providers string
}

func setup(t *testing.T) *bench {
	t.Helper()
	s := sandbox.New()
	page, providers := httptest.NewServer(s.Handler()), httptest.NewServer(s.Providers())
	t.Cleanup(page.Close)
	t.Cleanup(providers.Close)
	return &bench{t, s, page.URL, providers.URL}
}

func (b *bench) do(method, url, body string, headers ...string) (int, http.Header, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	require.NoError(b.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode, res.Header, string(data)
}

func email(to, html string) string {
	return fmt.Sprintf(`{"FromEmailAddress": "clinic@carewire.example", "Destination": {"ToAddresses": [%q]},
		"Content": {"Simple": {"Subject": {"Data": "Subject"}, "Body": {"Text": {"Data": "Text"}, "Html": {"Data": %q}}}},
		"EmailTags": [{"Name": "delivery_id", "Value": "d1"}]}`, to, html)
}

// send posts an email as the SDK does.
func (b *bench) send(to string) (int, http.Header, string) {
	b.t.Helper()
	return b.do(http.MethodPost, b.providers+"/v2/email/outbound-emails", email(to, "<p>Hello</p>"), "Authorization", "AWS4-HMAC-SHA256 Credential=x")
}

func TestSandbox_ListsMessagesNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	status, _, body := b.do(http.MethodGet, b.page+"/sandbox/messages", "")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `[]`, body)
	for _, to := range []string{"a@x.example", "b@x.example"} {
		status, _, body := b.send(to)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, "MessageId")
	}
	_, _, body = b.do(http.MethodGet, b.page+"/sandbox/messages?channel=email", "")
	var got []map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	require.Len(t, got, 2)
	require.Equal(t, "b@x.example", got[0]["to"])
	require.Equal(t, "d1", got[0]["deliveryId"])
	require.Equal(t, "email", got[0]["channel"])
	require.Equal(t, "Subject", got[0]["subject"])
	require.Equal(t, "Text", got[0]["body"])
	require.NotEmpty(t, got[0]["receivedAt"])
	require.NotContains(t, got[0], "title")

	_, _, body = b.do(http.MethodGet, b.page+"/sandbox/messages?channel=push", "")
	require.JSONEq(t, `[]`, body)
	_, _, body = b.do(http.MethodGet, b.page+"/sandbox/messages?limit=1", "")
	require.Contains(t, body, "b@x.example")
	require.NotContains(t, body, "a@x.example")
	status, header, body := b.do(http.MethodGet, b.page+"/sandbox/messages?channel=pigeon", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "application/problem+json", header.Get("Content-Type"))
	require.Contains(t, body, `"field":"channel"`)

	status, _, _ = b.do(http.MethodDelete, b.page+"/sandbox/messages", "")
	require.Equal(t, http.StatusNoContent, status)
	require.Empty(t, b.s.Messages(""))
}

func TestSandbox_RejectsRequestsThatProvidersReject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	status, header, _ := b.do(http.MethodPost, b.providers+"/v2/email/outbound-emails", email("a@x.example", ""))
	require.Equal(t, http.StatusForbidden, status, "not signed")
	require.Equal(t, "MissingAuthenticationTokenException", header.Get("x-amzn-ErrorType"))
	status, _, _ = b.send("no address")
	require.Equal(t, http.StatusBadRequest, status)
	status, _, _ = b.do(http.MethodPost, b.providers+"/v1/projects/p/messages:send", `{"message": {"token": "t"}}`, "Authorization", "Bearer forged")
	require.Equal(t, http.StatusUnauthorized, status, "not a token of ours")
	status, _, _ = b.do(http.MethodPost, b.providers+"/token", "grant_type=password", "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusBadRequest, status)
	require.Empty(t, b.s.Messages(""))
}

func TestSandbox_AppliesFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	add := func(fault string) {
		status, _, body := b.do(http.MethodPost, b.page+"/sandbox/faults", fault)
		require.Equal(t, http.StatusCreated, status, body)
	}
	add(`{"to": "A@x.example", "errorCode": "MessageRejected"}`)
	add(`{"provider": "ses", "status": 429, "retryAfterSeconds": 3, "count": 1}`)
	add(`{"channel": "push", "status": 500}`)
	_, _, body := b.do(http.MethodGet, b.page+"/sandbox/faults", "")
	require.Contains(t, body, `"status":429`)

	status, header, _ := b.send("a@x.example")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "MessageRejected", header.Get("x-amzn-ErrorType"))
	status, header, _ = b.send("b@x.example")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, "TooManyRequestsException", header.Get("x-amzn-ErrorType"))
	require.Equal(t, "3", header.Get("Retry-After"))
	status, _, _ = b.send("b@x.example")
	require.Equal(t, http.StatusOK, status, "its count is used up")

	_, _, body = b.do(http.MethodGet, b.page+"/sandbox/faults", "")
	require.Contains(t, body, "MessageRejected")
	require.NotContains(t, body, `"status":429`)
	status, _, _ = b.do(http.MethodDelete, b.page+"/sandbox/faults", "")
	require.Equal(t, http.StatusNoContent, status)
	status, _, _ = b.send("a@x.example")
	require.Equal(t, http.StatusOK, status)
}

func TestSandbox_HangsBeforeOrAfterAccepting(t *testing.T) {
	t.Parallel()
	for fault, kept := range map[string]int{`{"hang": true}`: 0, `{"acceptThenHang": true}`: 1, `{"delayMs": 60000}`: 0} {
		b := setup(t)
		status, _, _ := b.do(http.MethodPost, b.page+"/sandbox/faults", fault)
		require.Equal(t, http.StatusCreated, status)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.providers+"/v2/email/outbound-emails", strings.NewReader(email("a@x.example", "")))
		require.NoError(t, err)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.Len(t, b.s.Messages(""), kept, fault)
	}
}

func TestSandbox_NamesTheInvalidFieldOfAFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for fault, field := range map[string]string{
		`{"colour": "red"}`:                   "colour",
		`{"status": "bad"}`:                   "status",
		`{"status": 200}`:                     "status",
		`{"channel": "pigeon", "hang": true}`: "channel",
		`{"provider": "x", "hang": true}`:     "provider",
		`{"errorCode": "NO_SUCH"}`:            "errorCode",
		`{"probability": 2, "hang": true}`:    "probability",
		`{"delayMs": -1}`:                     "delayMs",
		`{"count": -1, "hang": true}`:         "count",
		`{"hang": true, "id": 7}`:             "id",
		`{}`:                                  "status",
		`[1]`:                                 "",
		`{"hang": true} {}`:                   "",
		`not json`:                            "",
	} {
		status, header, body := b.do(http.MethodPost, b.page+"/sandbox/faults", fault)
		require.Equal(t, http.StatusBadRequest, status, fault)
		require.Equal(t, "application/problem+json", header.Get("Content-Type"))
		require.Contains(t, body, fmt.Sprintf(`"field":%q`, field), fault)
	}
	require.Empty(t, b.s.Faults())
}

func TestSandbox_ServesAPageThatLoadsNothingExternal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, _ = b.send("a@x.example")
	for path, kind := range map[string]string{"/sandbox": "text/html", "/sandbox/app.js": "text/javascript", "/sandbox/style.css": "text/css"} {
		status, header, body := b.do(http.MethodGet, b.page+path, "")
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, header.Get("Content-Type"), kind)
		require.NotContains(t, header.Get("Content-Security-Policy"), "unsafe")
		require.NotRegexp(t, `(src|href)="(https?:)?//`, body)
	}
	_, _, html := b.do(http.MethodGet, b.page+"/sandbox", "")
	require.NotRegexp(t, `<script>|<style>| style=| onclick=`, html, "nothing inline")

	status, header, body := b.do(http.MethodGet, fmt.Sprintf("%s/sandbox/messages/%d/html", b.page, b.s.Messages("")[0].ID), "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "<p>Hello</p>", body)
	require.Contains(t, header.Get("Content-Security-Policy"), "sandbox allow-same-origin")
	require.NotContains(t, header.Get("Content-Security-Policy"), "allow-scripts")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	status, _, _ = b.do(http.MethodGet, b.page+"/sandbox/messages/99/html", "")
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = b.do(http.MethodGet, b.page+"/sandbox/no-such", "")
	require.Equal(t, http.StatusNotFound, status)
}

func TestClock_MovesAheadByADurationAndIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	status, _, _ := b.do(http.MethodGet, b.page+"/sandbox/clock", "")
	require.Equal(t, http.StatusNotFound, status, "no clock is connected")
	now := time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)
	b.s.Clock(func(_ context.Context, by time.Duration) (time.Time, error) {
		now = now.Add(by)
		return now, nil
	})
	for _, c := range []struct{ body, want string }{
		{`{"advance": "23h"}`, `{"now":"2026-03-15T08:30:00Z"}`},
		{`{"advance": "1h30m"}`, `{"now":"2026-03-15T10:00:00Z"}`},
		{`{"advance": "tomorrow"}`, "must be a duration with its unit, such as 23h or 90m"},
		{`{"advance": "-1h"}`, "must not be negative"},
		{`{"advance": "9601h"}`, "must be at most 9600h"},
		{`{"back": "1h"}`, "the body must be one JSON object"},
	} {
		_, _, body := b.do(http.MethodPost, b.page+"/sandbox/clock", c.body)
		require.Contains(t, body, c.want, c.body)
	}
	_, _, body := b.do(http.MethodGet, b.page+"/sandbox/clock", "")
	require.JSONEq(t, `{"now":"2026-03-15T10:00:00Z"}`, body)
	_, _, html := b.do(http.MethodGet, b.page+"/sandbox", "")
	for _, control := range []string{`data-advance="1h"`, `data-advance="12h"`, `data-advance="24h"`, `<input name="advance"`} {
		require.Contains(t, html, control)
	}
}

func TestSandbox_DropsTheOldestMessages(t *testing.T) {
	t.Parallel()
	s := sandbox.New()
	h := s.Providers()
	for i := range 11_050 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(email(fmt.Sprintf("p%d@x.example", i), "")))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	all := s.Messages("")
	require.GreaterOrEqual(t, len(all), 10_000)
	require.Less(t, len(all), 11_000)
	require.Equal(t, "p11049@x.example", all[0].To)
}

func TestSandbox_SharesMessagesAndFaultsWithPeers(t *testing.T) {
	t.Parallel()
	a, b := setup(t), setup(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	for one, other := range map[*bench]*bench{a: b, b: a} {
		one.s.Join(func(context.Context) []string {
			return []string{strings.TrimPrefix(other.providers, "http://"), strings.TrimPrefix(gone.URL, "http://")}
		})
	}
	send := func(one *bench, to string, want int) {
		t.Helper()
		status, _, _ := one.send(to)
		require.Equal(t, want, status)
	}
	send(a, "first@x.example", http.StatusOK)
	send(b, "second@x.example", http.StatusOK)
	for _, one := range []*bench{a, b} {
		var all []struct {
			ID int64
			To string
		}
		status, _, body := one.do(http.MethodGet, one.page+"/sandbox/messages?channel=email", "")
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, json.Unmarshal([]byte(body), &all))
		require.Len(t, all, 2)
		require.Equal(t, "second@x.example", all[0].To, "the newest first")
		require.NotContains(t, body, "html")
		for _, m := range all {
			status, _, html := one.do(http.MethodGet, fmt.Sprintf("%s/sandbox/messages/%d/html", one.page, m.ID), "")
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, "<p>Hello</p>", html, "from any sandbox")
		}
		_, _, body = one.do(http.MethodGet, one.page+"/sandbox/messages?channel=push", "")
		require.Equal(t, "[]", body)
	}

	status, _, body := a.do(http.MethodPost, a.page+"/sandbox/faults", `{"status": 503}`)
	require.Equal(t, http.StatusCreated, status, body)
	send(b, "third@x.example", http.StatusServiceUnavailable)
	status, _, _ = b.do(http.MethodPost, b.page+"/sandbox/faults", `{"status": 5}`)
	require.Equal(t, http.StatusBadRequest, status)
	status, _, _ = b.do(http.MethodPost, b.page+"/sandbox/faults", `{"status": 503}`+strings.Repeat(" ", 64<<10)+"{}")
	require.Equal(t, http.StatusBadRequest, status, "it is not truncated")
	status, _, _ = b.do(http.MethodDelete, b.page+"/sandbox/faults", "")
	require.Equal(t, http.StatusNoContent, status)
	send(a, "third@x.example", http.StatusOK)
	status, _, _ = a.do(http.MethodDelete, a.page+"/sandbox/messages", "")
	require.Equal(t, http.StatusNoContent, status)
	require.Empty(t, b.s.Messages(""))
}

func TestSandbox_RequestsNoMoreThanTheLimitFromPeers(t *testing.T) {
	t.Parallel()
	a, b := setup(t), setup(t)
	var mu sync.Mutex
	var asked []string
	served := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		b.s.Providers().ServeHTTP(recorded, r)
		var all []json.RawMessage
		_ = json.Unmarshal(recorded.Body.Bytes(), &all)
		mu.Lock()
		asked, served = append(asked, r.URL.RawQuery), served+len(all)
		mu.Unlock()
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes())
	}))
	t.Cleanup(proxy.Close)
	a.s.Join(func(context.Context) []string { return []string{strings.TrimPrefix(proxy.URL, "http://")} })
	for i := range 5 {
		one := []*bench{a, b}[i%2]
		status, _, _ := one.send(fmt.Sprintf("p%d@x.example", i))
		require.Equal(t, http.StatusOK, status)
	}
	type message struct {
		ID         int64
		To         string
		ReceivedAt string
	}
	page := func(query string) (all []message) {
		status, _, body := a.do(http.MethodGet, a.page+"/sandbox/messages"+query, "")
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &all))
		return all
	}
	require.Empty(t, page("?limit=0"))
	require.Empty(t, asked, "nothing is wanted")
	var seen []string
	before := ""
	for {
		all := page("?limit=2" + before)
		if len(all) == 0 {
			break
		}
		require.LessOrEqual(t, len(all), 2)
		for _, m := range all {
			seen = append(seen, m.To)
		}
		before = "&before=" + url.QueryEscape(all[len(all)-1].ReceivedAt)
	}
	require.Equal(t, []string{"p4@x.example", "p3@x.example", "p2@x.example", "p1@x.example", "p0@x.example"}, seen)
	require.LessOrEqual(t, served, 2*len(asked))
	own := page("?limit=1")[0]
	calls := len(asked)
	status, _, _ := a.do(http.MethodGet, fmt.Sprintf("%s/sandbox/messages/%d/html", a.page, own.ID), "")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, asked, calls, "own messages are not requested")
	require.Len(t, page(""), 5, "without a limit it is all")
	for _, bad := range []string{"?limit=-1", "?limit=x", "?before=yesterday", "?channel=fax"} {
		status, _, _ := a.do(http.MethodGet, a.page+"/sandbox/messages"+bad, "")
		require.Equal(t, http.StatusBadRequest, status, bad)
	}
}
