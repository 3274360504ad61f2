// Package modeltest compares the service with a model of it. Random people do random things over
// REST, and after each step the response and the appended events must match a model without a
// database. At the end the ledger must match too.
package modeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/audit"
	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/intake"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/rest"
	"carewire/internal/ledger"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/templateset"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// service is the server of all runs. Each run has its own clinics and people.
type service struct {
	db        *postgrestest.DB
	directory *directory.Service
	server    *httpapi.Server
	issuer    *auth.DemoIssuer
	sequencer *ledger.Sequencer
	runs      int
	// clock is the time source of appointments; nil uses the machine's.
	clock atomic.Pointer[time.Time]
}

func start(t *testing.T) *service {
	t.Helper()
	s := &service{db: postgrestest.New(t)}
	quiet := slog.New(slog.DiscardHandler)
	writer := outbox.NewWriter(s.db.App, outbox.NewWaker(s.db.App, quiet))
	s.directory = directory.New(writer)
	s.sequencer = ledger.NewSequencer(ledger.SequencerConfig{Pool: s.db.Worker, Logger: quiet})
	var err error
	s.issuer, err = auth.NewDemoIssuer(filepath.Join(t.TempDir(), "key.pem"), "carewire")
	require.NoError(t, err)
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Demo: s.issuer, Audience: "carewire"})
	require.NoError(t, err)
	s.server, err = httpapi.New(httpapi.Config{
		Directory: s.directory, Writer: writer, Verifier: verifier, BaseURL: "http://carewire.test",
		RateLimit: 1_000_000, Ready: func(context.Context) error { return nil }, Logger: quiet,
	})
	require.NoError(t, err)
	require.NoError(t, rest.Register(s.server, rest.Services{
		Directory: s.directory, Appointments: appointment.New(writer, appointment.WithClock(s.now)), Billing: billing.New(writer),
		Chat: chat.New(writer), Intake: intake.New(writer), Audit: audit.New(s.db.App), Writer: writer, Operations: struct{ rest.Operations }{},
		Templates: templateset.New(template.Options{}),
	}))
	require.NoError(t, s.server.Finish())
	return s
}

func (s *service) now() time.Time {
	if now := s.clock.Load(); now != nil {
		return *now
	}
	return time.Now()
}

// token returns a token of the person.
func (s *service) token(t require.TestingT, email string) string {
	token, err := s.issuer.Mint(email, auth.DemoSubject(email), time.Hour)
	require.NoError(t, err)
	return token
}

// answer is a response.
type answer struct {
	status  int
	version int64 // From the ETag, or 0.
	fields  map[string]any
	raw     string
}

func (a answer) text(field string) string {
	value, _ := a.fields[field].(string)
	return value
}

// as sends a request of a person; ifMatch 0 sends no version.
func (w *world) as(t *rapid.T, who *person, method, path string, ifMatch int64, body any) answer {
	t.Helper()
	var r io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		r = bytes.NewReader(encoded)
	}
	req := httptest.NewRequest(method, path, r)
	req.Header.Set("Authorization", "Bearer "+who.token)
	if ifMatch != 0 {
		req.Header.Set("If-Match", strconv.Quote(strconv.FormatInt(ifMatch, 10)))
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, req)
	a := answer{status: rec.Code, raw: rec.Body.String()}
	if tag, err := strconv.Unquote(rec.Header().Get("ETag")); err == nil {
		a.version, err = strconv.ParseInt(tag, 10, 64)
		require.NoError(t, err)
	}
	if rec.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &a.fields), "%s", a.raw)
	}
	t.Logf("%s: %s %s (version %d) is answered %d", who.name, method, path, ifMatch, a.status)
	return a
}

// seeder is the actor of a run's set-up.
var seeder = care.Command{Actor: care.SystemActor("seed"), Imported: true}

// newClinic registers a clinic.
func (s *service) newClinic(t *rapid.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	_, err := s.directory.CreateClinic(context.Background(), seeder, directory.NewClinic{ID: id, ClinicInput: directory.ClinicInput{Name: "Clinic", TimeZone: "Europe/Berlin"}})
	require.NoError(t, err)
	return id
}
