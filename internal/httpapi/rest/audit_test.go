package rest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/auth/authtest"
	"carewire/internal/httpapi/peer"
	"carewire/internal/ledger"
)

// sequence moves all appended events into the ledger.
func (b *bundle) sequence() {
	b.t.Helper()
	seq := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.db.Worker, Logger: slog.New(slog.DiscardHandler)})
	for moved := 1; moved > 0; {
		var err error
		moved, err = seq.Step(b.t.Context())
		require.NoError(b.t, err)
	}
}

// trailEvent is an event of the audit trail.
type trailEvent struct {
	Position                          int64
	Type, Subject, ActorID, ActorRole string
	PersonID, ClinicID                *uuid.UUID
	ClientAddress, ClientAgent        string
	Data                              struct {
		Action, Kind, Reason, Method string
		Filters                      []string
		Count                        *int64
		RecordIDs, UserIDs           []uuid.UUID
	}
}

// trail returns the audit trail for a query, of all pages.
func (b *bundle) trail(query string) []trailEvent {
	b.t.Helper()
	b.sequence()
	var all []trailEvent
	for after := ""; ; {
		w := b.do(auditor, http.MethodGet, "/api/audit?"+query+"&limit=3&after="+after, nil)
		require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
		var page struct {
			Items []trailEvent
			Next  string
		}
		require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &page))
		all = append(all, page.Items...)
		if after = url.QueryEscape(page.Next); after == "" {
			return all
		}
	}
}

func trailTypes(events []trailEvent) []string {
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

func TestAudit_TellsTheSameStoryInSQL(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	id := path[strings.LastIndexByte(path, '/')+1:]
	for _, read := range []string{path, path + "/history", "/api/ehr/lab-reports?patientId=" + b.ids[patient].String(), "/api/ehr/lab-reports?clinicId=" + b.clinicID.String()} {
		require.Equal(t, http.StatusOK, b.do(doctor, http.MethodGet, read, nil).Code, read)
	}
	requireProblem(t, b.do(receptionist, http.MethodGet, path, nil), 404, "not_found")
	subject := "lab_report/" + id
	api := b.trail("subject=" + subject)
	require.Equal(t, []string{"ehr.lab_report.created", "record.read", "record.read", "record.read", "record.read", "access.denied"}, trailTypes(api))
	rows, err := b.db.Auditor.Query(t.Context(), "SELECT position FROM audit.story($1)", subject)
	require.NoError(t, err)
	sql, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	for i, e := range api {
		require.Equal(t, sql[i], e.Position)
	}
	require.Len(t, sql, len(api))
	require.Equal(t, api, b.trail("subject=lab_report/"+strings.ToUpper(id)), "a UUID has no case")
}

func TestAudit_FiltersByPersonActorTypeAndTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	b.do(nurse, http.MethodGet, path, nil)
	b.do(nurse, http.MethodGet, "/api/users?role=patient&clinicId="+b.clinicID.String(), nil)
	now, past := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)), url.QueryEscape(time.Now().AddDate(0, 0, -1).Format(time.RFC3339))
	person, actor := "person="+b.ids[patient].String(), "actor="+b.ids[nurse].String()

	require.Equal(t, []string{"user.signed_in", "record.read", "user.searched"}, trailTypes(b.trail(actor)))
	require.Equal(t, []string{"record.read", "user.searched"}, trailTypes(b.trail(actor+"&"+person)), "the list showed the patient's name")
	require.Equal(t, []string{"record.read"}, trailTypes(b.trail(actor+"&type=record.*&from="+past+"&to="+now)))
	require.Empty(t, b.trail(actor+"&from="+now))
	require.Empty(t, b.trail(actor+"&to="+past))
	requireProblem(t, b.do(auditor, http.MethodGet, "/api/audit?type=nothing.known", nil), 422, "invalid")
	requireProblem(t, b.do(auditor, http.MethodGet, "/api/audit?actor=x&limit=501", nil), 422, "invalid")
}

func TestAudit_ListsSayWhatTheyListedToWhom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := b.ids[patient].String()
	for _, c := range []struct {
		as, path, role, kind string
		filters              []string
		count                int64
	}{
		{receptionist, "/api/appointments?patientId=" + who, "receptionist", "appointment", []string{"patientId"}, 0},
		{patient, "/api/appointments?patientId=" + who + "&status=booked", "patient", "appointment", []string{"patientId", "status"}, 0},
		{receptionist, "/api/billing/invoices?patientId=" + who + "&status=issued", "receptionist", "invoice", []string{"patientId", "status"}, 0},
		{doctor, "/api/ehr/lab-reports?patientId=" + who + "&code=2823-3", "doctor", "lab_report", []string{"patientId", "code"}, 0},
		{doctor, "/api/ehr/allergies?patientId=" + who + "&from=2026-01-01T00:00:00Z", "doctor", "allergy", []string{"patientId", "from"}, 0},
		{receptionist, "/api/patients/" + who + "/care-team", "receptionist", "care_team", []string{"patientId"}, 2},
	} {
		before := len(b.trail("type=record.read"))
		w := b.do(c.as, http.MethodGet, c.path, nil)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", c.path, w.Body)
		reads := b.trail("type=record.read")[before:]
		require.Len(t, reads, 1, c.path)
		e := reads[0]
		require.Equal(t, c.role, e.ActorRole, c.path)
		require.Equal(t, &b.clinicID, e.ClinicID, c.path)
		require.Equal(t, "patient/"+who, e.Subject, c.path)
		require.Equal(t, "list", e.Data.Action)
		require.Equal(t, c.kind, e.Data.Kind, c.path)
		require.Equal(t, c.filters, e.Data.Filters, c.path)
		require.Equal(t, &c.count, e.Data.Count, c.path)
		require.Empty(t, e.Data.RecordIDs, c.path)
		require.Len(t, e.Data.UserIDs, int(c.count), "people are named apart from records")
	}
}

func TestAudit_ReadsOfNamesAndOfTheTrailAreEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	people := "/api/audit/people?ids=" + b.ids[patient].String() + "," + strings.ToUpper(b.ids[doctor].String()) + "," + uuid.NewString()
	w := b.do(auditor, http.MethodGet, people, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	items := decode(t, w)["items"].([]any)
	require.Len(t, items, 2)
	for _, item := range items {
		require.Equal(t, "Paula Winter", item.(map[string]any)["name"])
		require.Equal(t, "Demo Clinic", item.(map[string]any)["roles"].([]any)[0].(map[string]any)["clinic"])
	}
	requireProblem(t, b.do(auditor, http.MethodGet, "/api/audit/people?ids=Winter", nil), 422, "invalid")
	requireProblem(t, b.do(auditor, http.MethodGet, "/api/audit/people", nil), 422, "invalid")
	requireProblem(t, b.do(operator, http.MethodGet, people, nil), 403, "forbidden")
	require.Equal(t, http.StatusOK, b.do(receptionist, http.MethodGet, "/api/users", nil).Code)

	var reads []trailEvent
	for _, e := range b.trail("type=*.*&actor=" + b.ids[auditor].String()) {
		if e.Type == "audit.read" && e.Data.Kind == "person" {
			reads = append(reads, e)
		}
	}
	require.Len(t, reads, 1)
	require.ElementsMatch(t, []uuid.UUID{b.ids[patient], b.ids[doctor]}, reads[0].Data.UserIDs)
	require.Equal(t, "auditor", reads[0].ActorRole)
	listed := b.trail("type=user.searched")
	require.Len(t, listed, 1)
	require.Equal(t, "clinic/"+b.clinicID.String(), listed[0].Subject)
	require.Equal(t, "receptionist", listed[0].ActorRole)
	require.Contains(t, listed[0].Data.UserIDs, b.ids[patient])
	trail := b.trail("type=audit.read&person=" + b.ids[patient].String())
	require.NotEmpty(t, trail)
}

func TestAudit_EventsHaveTheClientAsTheSettingsAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		detail  peer.AddressDetail
		address string
	}{{peer.AddressFull, "203.0.113.77"}, {peer.AddressPrefix, "203.0.113.0/24"}, {peer.AddressOff, ""}} {
		b := setup(t, func(cfg *config) {
			cfg.ClientAddress = c.detail
			cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		})
		read := b.request(doctor, http.MethodGet, "/api/ehr/lab-reports?patientId="+b.ids[patient].String(), nil,
			"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Unmistakable/1.0", "X-Forwarded-For", "203.0.113.77")
		require.Equal(t, http.StatusOK, b.send(read).Code)
		write := b.request(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report(), "User-Agent", "okhttp/5.1.0", "X-Forwarded-For", "203.0.113.77")
		require.Equal(t, http.StatusCreated, b.send(write).Code)
		denied := b.request(receptionist, http.MethodGet, "/api/audit?type=record.read", nil, "User-Agent", "curl/8.15.0", "X-Forwarded-For", "203.0.113.77")
		requireProblem(t, b.send(denied), 403, "forbidden")
		for typ, agent := range map[string]string{"record.read": "browser", "ehr.lab_report.created": "mobile", "access.denied": "cli"} {
			events := b.trail("type=" + typ)
			require.Len(t, events, 1, typ)
			require.Equal(t, c.address, events[0].ClientAddress, typ)
			require.Equal(t, agent, events[0].ClientAgent, typ)
		}
		var texts int
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM events AS e WHERE to_jsonb(e)::text ~ 'Unmistakable|203[.]0[.]113')
			+ (SELECT count(*) FROM event_clients AS e WHERE to_jsonb(e)::text ~ 'Unmistakable')`).Scan(&texts))
		require.Zero(t, texts)
		require.NotContains(t, b.log.String(), "Unmistakable")
	}
}

func TestAudit_SignInsAndSignOutsAreEvents(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	begun := b.do("", http.MethodGet, "/login", nil)
	done := b.send(carry(httptest.NewRequest(http.MethodGet, p.Approve(t, begun.Header().Get("Location"), nil), nil), begun))
	require.Equal(t, http.StatusSeeOther, done.Code, "%s", done.Body)
	b.send(carry(b.request("", http.MethodPost, "/logout", nil), done))
	first, second := p.Sign(t, p.Claims(nil)), p.Sign(t, p.Claims(map[string]any{"jti": "2"}))
	for _, token := range []string{first, first, second, first, second} {
		require.Equal(t, http.StatusOK, b.bearer(token).Code)
	}
	require.Equal(t, []string{"user.signed_in browser", "session.closed signed_out", "user.signed_in token", "user.signed_in token"}, b.signIns())
}

// signIns returns the appended sign-ins, sign-outs and refusals of the doctor, in order.
func (b *bundle) signIns() []string {
	b.t.Helper()
	rows, err := b.db.Owner.Query(b.t.Context(), `SELECT type || ' ' || coalesce(data ->> 'method', data ->> 'reason') || coalesce(' ' || (data ->> 'count'), '')
		FROM outbox WHERE type IN ('user.signed_in', 'user.sign_in_refused', 'session.closed') AND person_id = $1 ORDER BY id`, b.ids[doctor])
	require.NoError(b.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	return all
}

func TestAudit_RefusedSignInsOfAKnownPersonAreCounted(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	require.Equal(t, http.StatusOK, b.bearer(p.Sign(t, p.Claims(nil))).Code)
	expired := p.Sign(t, p.Claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}))
	for range 20 {
		requireProblem(t, b.bearer(expired), 401, "token_expired")
	}
	requireProblem(t, b.bearer(p.Sign(t, p.Claims(map[string]any{"aud": "other"}))), 401, "token_wrong_audience")
	requireProblem(t, b.bearer(p.Sign(t, p.Claims(map[string]any{"sub": "nobody", "exp": time.Now().Add(-time.Hour).Unix()}))), 401, "token_expired")
	requireProblem(t, b.bearer("garbage"), 401, "token_invalid")
	b.exec("UPDATE users SET status = 'disabled' WHERE id = $1", b.ids[doctor])
	requireProblem(t, b.bearer(p.Sign(t, p.Claims(nil))), 403, "forbidden")
	want := []string{
		"user.signed_in token", "user.sign_in_refused token_expired 1", "user.sign_in_refused token_wrong_audience 1", "user.sign_in_refused disabled 1",
	}
	require.Equal(t, want, b.signIns())

	// The others are one event when the service stops, or a minute later.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, b.server.RunAudit(ctx))
	require.Equal(t, append(want, "user.sign_in_refused token_expired 19"), b.signIns())
	var actors, clients int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE actor_id = 'system:sign-in'), count(client_agent) FROM outbox WHERE type = 'user.sign_in_refused'`).Scan(&actors, &clients))
	require.Equal(t, 4, actors)
	require.Equal(t, 4, clients)
}

func TestAudit_AnEndedSessionIsARefusalWhileItIsKnown(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	begun := b.do("", http.MethodGet, "/login", nil)
	done := b.send(carry(httptest.NewRequest(http.MethodGet, p.Approve(t, begun.Header().Get("Location"), nil), nil), begun))
	b.exec("UPDATE web_sessions SET expires_at = now() - interval '1 minute'")
	requireProblem(t, b.send(carry(b.request("", http.MethodGet, "/api/me", nil), done)), 401, "unauthenticated")
	require.Equal(t, []string{"user.signed_in browser", "user.sign_in_refused session_ended 1"}, b.signIns())
}

func TestAudit_DocumentsItsFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var names []string
	for _, p := range b.server.OpenAPI().Paths["/api/audit"].Get.Parameters {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	require.Equal(t, []string{"actor", "after", "from", "limit", "person", "subject", "to", "type"}, names)
	require.Equal(t, 500, audit.MaxLimit)
}
