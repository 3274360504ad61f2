package rest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/intake"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/httpapi/rest"
	"carewire/internal/httpapi/web"
	"carewire/internal/httpapi/webhook"
	"carewire/internal/inbox"
	"carewire/internal/notify"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/rule"
	"carewire/internal/templateset"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// The people of a test's clinic; the addresses are invented.
const (
	patient      = "patient@demo.example"
	doctor       = "doctor@demo.example"
	nurse        = "nurse@demo.example"
	receptionist = "receptionist@demo.example"
	admin        = "admin@demo.example"
	auditor      = "auditor@demo.example"
	operator     = "operator@demo.example"
)

// audience is whom the tests' tokens are meant for.
const audience = "carewire"

// bundle is a server on a database of the test's own, and what a test needs of it.
type bundle struct {
	t        testing.TB
	db       *postgrestest.DB
	server   *httpapi.Server
	cfg      config
	issuer   *auth.DemoIssuer
	clinicID uuid.UUID
	ids      map[string]uuid.UUID
	tokens   map[string]string
	log      *bytes.Buffer
	// clock is what appointments take the time from; nil is the machine's.
	clock *atomic.Pointer[time.Time]
	// operations stand in for what app makes of the worker's pool.
	operations operations
}

// config configures the server of a test with its resources and pages.
type config struct {
	httpapi.Config
	Services rest.Services
	Pages    web.Config
	// Webhooks are registered if they have an Applier.
	Webhooks webhook.Config
}

// newServer returns a server as app builds it.
func newServer(cfg config) (*httpapi.Server, error) {
	s, err := httpapi.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	if err := rest.Register(s, cfg.Services); err != nil {
		return nil, err
	}
	cfg.Pages.Hub, cfg.Pages.Verifier = cfg.Services.Hub, cfg.Verifier
	if err := web.Register(s, cfg.Pages); err != nil {
		return nil, err
	}
	if cfg.Webhooks.Applier != nil {
		if _, err := webhook.Register(s, cfg.Webhooks); err != nil {
			return nil, err
		}
	}
	return s, s.Finish()
}

// route is a route that is not public, with its operation's ID; "METHOD path" for one that is not in the OpenAPI document.
type route struct {
	ID, Method, Path string
	Action           care.Action
}

// routes returns the server's routes that are not public.
func routes(s *httpapi.Server) []route {
	ids := map[string]string{}
	for path, item := range s.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op != nil {
				ids[op.Method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = op.OperationID
			}
		}
	}
	var all []route
	for _, r := range s.Routes() {
		if name := r.Method + " " + r.Path; !r.Access.Public {
			all = append(all, route{cmp.Or(ids[name], name), r.Method, r.Path, r.Access.Action})
		}
	}
	slices.SortFunc(all, func(a, b route) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// setup makes a clinic with one person of each role and a server for it. change adapts the server's configuration.
func setup(tb testing.TB, change ...func(*config)) *bundle {
	tb.Helper()
	b := &bundle{t: tb, db: postgrestest.New(tb), ids: map[string]uuid.UUID{}, tokens: map[string]string{}, log: &bytes.Buffer{}, clock: &atomic.Pointer[time.Time]{}}
	writer := outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler)))
	dir := directory.New(writer, "email").WithImageHosts([]string{"img.example.org"})
	templates := templateset.New(template.Options{ImageHosts: []string{"img.example.org"}})
	b.seed(dir)
	var err error
	b.issuer, err = auth.NewDemoIssuer(filepath.Join(tb.TempDir(), "key.pem"), audience)
	require.NoError(tb, err)
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Demo: b.issuer, Audience: audience})
	require.NoError(tb, err)
	registry := prometheus.NewRegistry()
	b.cfg = config{
		Config: httpapi.Config{
			Directory: dir, Writer: writer, Verifier: verifier, BaseURL: "http://carewire.test",
			RateLimit: 100_000, Ready: func(context.Context) error { return nil },
			Registerer: registry, Gatherer: registry, Logger: slog.New(slog.NewJSONHandler(b.log, nil)),
		},
		Services: rest.Services{
			Directory: dir, Appointments: appointment.New(writer, appointment.WithClock(b.now)), Billing: billing.New(writer), Chat: chat.New(writer), Intake: intake.New(writer),
			Rules: dispatch.Known{Known: rule.Known{Channels: care.BuiltinChannels.Names()}}, Templates: templates, Operations: &b.operations, Audit: audit.New(b.db.App), Writer: writer,
		},
		Pages: web.Config{Templates: templates, Writer: writer, Directory: dir, Inbox: notify.NewInbox(writer), Own: inbox.New(writer), Chat: chat.New(writer), CookieKey: bytes.Repeat([]byte("k"), 32)},
	}
	for _, c := range change {
		c(&b.cfg)
	}
	b.server, err = newServer(b.cfg)
	require.NoError(tb, err)
	return b
}

func (b *bundle) now() time.Time {
	if now := b.clock.Load(); now != nil {
		return *now
	}
	return time.Now()
}

// atTime runs do while it is that time for appointments.
func (b *bundle) atTime(now time.Time, do func()) {
	defer b.clock.Store(b.clock.Swap(&now))
	do()
}

func (b *bundle) seed(dir *directory.Service) {
	b.t.Helper()
	ctx := b.t.Context()
	seeder := care.Command{Actor: care.SystemActor("seed"), Imported: true}
	b.clinicID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("clinic")) // The same in every run: a fuzzer keeps what it finds.
	_, err := dir.CreateClinic(ctx, seeder, directory.NewClinic{ID: b.clinicID, ClinicInput: directory.ClinicInput{Name: "Demo Clinic", TimeZone: "Europe/Berlin"}})
	require.NoError(b.t, err)
	for _, email := range []string{patient, doctor, nurse, receptionist, admin, auditor, operator} {
		id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(email))
		b.ids[email] = id
		_, err := dir.CreateUser(ctx, seeder, directory.NewUser{ID: id, Email: email, EmailVerified: true, GivenName: "Paula", FamilyName: "Winter", Locale: "en-GB", TimeZone: "Europe/Berlin"})
		require.NoError(b.t, err)
		m := directory.MembershipInput{UserID: id, Role: care.Role(strings.TrimSuffix(email, "@demo.example")), ClinicID: &b.clinicID}
		if email == auditor || email == operator {
			m.ClinicID = nil
		}
		require.NoError(b.t, dir.GrantMembership(ctx, seeder, m))
	}
	for _, member := range []string{doctor, nurse} {
		_, err := b.db.Owner.Exec(ctx, `INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)`, b.ids[patient], b.clinicID, b.ids[member])
		require.NoError(b.t, err)
	}
}

func (b *bundle) token(email string) string {
	b.t.Helper()
	if b.tokens[email] == "" {
		token, err := b.issuer.Mint(email, auth.DemoSubject(email), time.Hour)
		require.NoError(b.t, err)
		b.tokens[email] = token
	}
	return b.tokens[email]
}

// request makes a request as the person with that email, or as nobody. body is text, or a value to encode as JSON.
func (b *bundle) request(as, method, path string, body any, headers ...string) *http.Request {
	b.t.Helper()
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	default:
		encoded, err := json.Marshal(v)
		require.NoError(b.t, err)
		r = bytes.NewReader(encoded)
	}
	req := httptest.NewRequest(method, path, r)
	req.Host = "carewire.test"
	if as != "" {
		req.Header.Set("Authorization", "Bearer "+b.token(as))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// do makes a request and gives the answer.
func (b *bundle) do(as, method, path string, body any, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.send(b.request(as, method, path, body, headers...))
}

func (b *bundle) send(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, req)
	return w
}

// report is a valid lab report about the clinic's patient.
func (b *bundle) report() map[string]any {
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "status": "final", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://loinc.org", "code": "24323-8", "display": "Comprehensive metabolic panel"},
		"results": []any{map[string]any{
			"code":  map[string]any{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"},
			"value": json.Number("4.10"), "unit": "mmol/L", "interpretation": "N",
		}},
	}
}

// writeReport writes a lab report as the doctor and gives its path.
func (b *bundle) writeReport() string {
	b.t.Helper()
	w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return w.Header().Get("Location")
}

// events counts the appended events of a type.
func (b *bundle) events(typ string) int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.db.Owner.QueryRow(context.WithoutCancel(b.t.Context()), `SELECT count(*) FROM outbox WHERE type = $1`, typ).Scan(&n))
	return n
}

// decode reads a JSON answer.
func decode(tb testing.TB, w *httptest.ResponseRecorder) map[string]any {
	tb.Helper()
	var v map[string]any
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &v), "%d %s", w.Code, w.Body)
	return v
}

// requireProblem asserts a problem of the status and code, and gives its fields.
func requireProblem(tb testing.TB, w *httptest.ResponseRecorder, status int, code string) []string {
	tb.Helper()
	require.Equal(tb, status, w.Code, "%s", w.Body)
	require.Equal(tb, "application/problem+json", w.Header().Get("Content-Type"))
	var p problem.Problem
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(tb, code, p.Code, "%s", w.Body)
	require.Equal(tb, status, p.Status)
	require.NotEmpty(tb, p.Detail)
	require.NotEmpty(tb, p.Title)
	require.Equal(tb, w.Header().Get("X-Request-Id"), p.RequestID)
	var fields []string
	for _, f := range p.Errors {
		require.NotEmpty(tb, f.Message)
		fields = append(fields, f.Field)
	}
	return fields
}

// ListSuppressions implements rest.Operations.
func (o *operations) ListSuppressions(context.Context, notify.SuppressionFilter) ([]notify.Suppression, care.PageCursor, error) {
	return nil, care.PageCursor{}, nil
}

// RemoveSuppression implements rest.Operations.
func (o *operations) RemoveSuppression(context.Context, care.Command, uuid.UUID) error {
	return nil
}
