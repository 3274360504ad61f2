package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"
	"github.com/prometheus/client_golang/prometheus"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/clinic/intake"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
	"carewire/internal/rule"
	"carewire/internal/tracing"
)

// Config is what the server is made of. Directory, Appointments, Billing, Chat, Intake, Audit, Writer, Verifier, BaseURL,
// CookieKey, Operations and Ready are required.
type Config struct {
	Directory    *directory.Service
	Appointments *appointment.Service
	Billing      *billing.Service
	Chat         *chat.Service
	Intake       *intake.Service
	Audit        *audit.Reader
	// Writer writes records and appends denials; its pool is where the inbox is read.
	Writer   *outbox.Writer
	Verifier *Verifier
	// NoAPI leaves the API and its pages to other instances: their routes answer 503, with a code that says so. Health,
	// metrics, the sandbox and sockets are served all the same.
	NoAPI bool
	// Hub serves sockets; without it GET /api/socket answers 503 in the same way.
	Hub *realtime.Hub
	// Rules is what a rule set is checked against.
	Rules rule.Known
	// Operations is what operators do beside what the API's own database role may.
	Operations Operations
	// Sandbox is the page of the providers' stand-ins, or nil.
	Sandbox http.Handler
	// Dashboard is River's, or nil.
	Dashboard http.Handler
	// Login signs browsers in through the identity provider; its zero value leaves /login without that.
	Login LoginConfig
	// Demo opens the sandbox and /metrics to everybody, and lets anybody sign in as one of DemoPeople.
	Demo       bool
	DemoPeople []DemoPerson
	// BaseURL is how people reach the service. Cookies are marked Secure when it is https.
	BaseURL string
	// Origins may call the API from a browser and open sockets, besides the service's own.
	Origins []string
	// CookieKey seals the cookie that a sign-in carries to the identity provider and back: at least 32 bytes, the same on
	// every instance.
	CookieKey []byte
	// RateLimit is how many requests a second one subject may make, with bursts of twice as many; by default 500.
	RateLimit int
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For or Forwarded says who the client is.
	TrustedProxies []netip.Prefix
	// BodyTimeout is how long a client may take to send a request's body; by default 15 s.
	BodyTimeout time.Duration
	// Ready says what is missing before the service can take requests, in words that may be shown; nil when nothing is.
	Ready func(ctx context.Context) error
	// Notes say what an operator should put right although the service works, a line each in /readyz.
	Notes []string
	// Registerer takes the metrics of requests; Gatherer is shown at /metrics in demo mode. Both may be nil.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	Logger     *slog.Logger
	// Tracer shows each sampled request; nil means nobody looks.
	Tracer *tracing.Tracer
}

func (c Config) validate() error {
	var missing []string
	for name, there := range map[string]bool{
		"Directory": c.Directory != nil, "Appointments": c.Appointments != nil, "Chat": c.Chat != nil,
		"Billing": c.Billing != nil, "Intake": c.Intake != nil, "Audit": c.Audit != nil, "Writer": c.Writer != nil, "Verifier": c.Verifier != nil, "Ready": c.Ready != nil,
		"Operations":           c.Operations != nil,
		"CookieKey (32 bytes)": len(c.CookieKey) >= 32,
	} {
		if !there {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("httpapi: not set: %s", strings.Join(missing, ", "))
	}
	return nil
}

// Server answers requests. It is an http.Handler.
type Server struct {
	cfg        Config
	logger     *slog.Logger
	echo       *echo.Echo
	api        huma.API
	metrics    *metrics
	keeper     *keeper
	seal       *sealer
	perSubject *limiters[string]
	proxies    proxies
	// failures counts failed sign-ins by the network that they come from. doubtful bounds how many sign-ins from networks with too
	// many failures are looked at at once, exchanges how many codes are taken to the identity provider.
	failures            *limiters[netip.Prefix]
	doubtful, exchanges gate
	crossOrigin         *http.CrossOriginProtection
	// secure says that people reach the service by TLS.
	secure bool
	// host is the name by which they do.
	host string
	// kinds are those of records; collections are where subjects of each kind are read.
	kinds       []ehr.Spec
	collections map[string]string
	routes      map[string]access
	known       map[string]bool
}

// New builds the server and its routes. It refuses a configuration that is not complete, and a route that names no
// action of care.Access and is not on the list of public ones.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" {
		return nil, errors.New("httpapi: BaseURL is not a URL")
	}
	cfg.RateLimit = cmp.Or(cfg.RateLimit, 500)
	cfg.BodyTimeout = cmp.Or(cfg.BodyTimeout, bodyTimeout)
	s := &Server{
		cfg: cfg, logger: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), secure: base.Scheme == "https", host: strings.ToLower(base.Hostname()),
		keeper:     newKeeper(cfg.Directory),
		perSubject: newLimiters[string](float64(cfg.RateLimit), 2*cfg.RateLimit),
		proxies:    cfg.TrustedProxies,
		// A failed sign-in costs a signature's check and tells an attacker one guess: a fifth of the rate is plenty.
		failures: newLimiters[netip.Prefix](float64(cfg.RateLimit)/5, cfg.RateLimit),
		doubtful: make(gate, 8), exchanges: make(gate, 16),
		crossOrigin: http.NewCrossOriginProtection(),
		routes:      map[string]access{}, known: map[string]bool{}, collections: map[string]string{"user": "/api/users"},
	}
	if s.seal, err = newSealer(cfg.CookieKey); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s.echo = echo.NewWithConfig(echo.Config{Logger: s.logger, HTTPErrorHandler: s.answerError})
	s.echo.Use(s.observe, s.recovered, s.headers, s.cors, s.limits)
	s.addRoutes()
	return s, s.checkRoutes()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// addRoutes adds every route. What stands in the specification comes first, the specification after it.
func (s *Server) addRoutes() {
	s.api = newAPI(s)
	s.addMe()
	s.addDevices()
	s.addPreferences()
	s.addNotifications()
	s.addReadMark()
	s.addExplain()
	s.addRules()
	s.addFollowers()
	s.addDeliveries()
	s.addRejections()
	s.addUsers()
	s.addKinds()
	s.addCriticalLimits()
	s.addClinics()
	s.addInvitations()
	s.addContacts()
	s.addAppointments()
	s.addInvoices()
	s.addChat()
	s.addServiceAccounts()
	s.addEvents()
	s.addNotificationPage()
	s.addAudit()
	s.addStats()
	s.addSocket()
	s.addLogin()
	s.addDashboard()
	s.addSandbox()
	s.addHealth()
	s.addDocs()
	s.addSpecification()
}

// handle adds a route behind its guard.
func (s *Server) handle(method, path string, a access, h echo.HandlerFunc) {
	s.routes[method+" "+path] = a
	s.known[method+" "+path] = true
	if s.cfg.NoAPI && !everywhere(path) {
		s.echo.Add(method, path, func(*echo.Context) error { return roleMissing("the API", "api") })
		return
	}
	h = s.guard(a, h)
	if !a.body {
		h = s.bodyFirst(h)
	}
	s.echo.Add(method, path, h)
}

// everywhere reports whether a route is served by an instance without the role api.
func everywhere(path string) bool {
	switch path {
	case "/livez", "/readyz", "/metrics", "/sandbox", "/sandbox/*", socketPath:
		return true
	}
	return false
}

// roleMissing refuses what only instances of another role serve. There is no Retry-After: asking here again is in vain.
func roleMissing(what, role string) *Problem {
	return newProblem(http.StatusServiceUnavailable, codeRoleMissing, "this instance does not serve "+what+"; ask one that was started with the role "+role)
}

// public lists the routes that ask nobody who they are. /sandbox and /metrics are on it in demo mode only.
var public = map[string]bool{
	"GET /": true, "GET /openapi.json": true, "GET /openapi.yaml": true,
	"GET /docs": true, "GET /docs/api": true, "GET /docs/events": true, "GET /docs/socket": true,
	"GET /livez": true, "HEAD /livez": true, "GET /readyz": true, "HEAD /readyz": true,
	"GET /login": true, "POST /login": true, "GET /login/callback": true, "POST /logout": true,
}

var publicInDemo = map[string]bool{
	"GET /metrics": true, "GET /sandbox": true, "GET /sandbox/*": true, "POST /sandbox/*": true, "DELETE /sandbox/*": true,
}

// checkRoutes refuses a route that nobody decided about.
func (s *Server) checkRoutes() error {
	var errs []error
	for _, r := range s.echo.Router().Routes() {
		name := r.Method + " " + r.Path
		a, ok := s.routes[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("route %s has no access", name))
		case a.public && !public[name] && (!s.cfg.Demo || !publicInDemo[name]):
			errs = append(errs, fmt.Errorf("route %s is not on the list of public routes", name))
		case !a.public && !care.Declared(a.action):
			errs = append(errs, fmt.Errorf("route %s needs action %q, which is not in the access table", name, a.action))
		}
	}
	return errors.Join(errs...)
}
