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

	"carewire/internal/auth"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/body"
	"carewire/internal/httpapi/limit"
	"carewire/internal/httpapi/openapi"
	"carewire/internal/httpapi/peer"
	"carewire/internal/outbox"
	"carewire/internal/tracing"
)

const (
	// defaultRateLimit is the number of requests per second of one subject: far above what a person
	// or a device gateway sends, and low enough that one client cannot take the whole instance.
	defaultRateLimit = 500
	// failureShare is the part of RateLimit that failed sign-ins of one network may take. A failed
	// sign-in costs the check of a signature and tests one guess, so a fifth is plenty.
	failureShare = 5
	// maxDoubtful bounds the sign-ins from networks with too many failures that are checked at
	// once, so that a flood takes few of the pool's connections.
	maxDoubtful = 8
	// maxExchanges bounds the authorization codes that are exchanged at the identity provider at
	// once.
	maxExchanges = 16
)

// Config configures a Server. Directory, Writer, Verifier, BaseURL and Ready are required.
type Config struct {
	// Directory finds the person or service account behind a sign-in.
	Directory *directory.Service
	// Writer commits denials to the audit trail.
	Writer   *outbox.Writer
	Verifier *auth.Verifier
	// NoAPI disables the API and the pages: their routes answer 503 with the code role_missing.
	// Health, metrics, the sandbox and sockets are still served.
	NoAPI bool
	// Demo opens the sandbox and /metrics to everybody.
	Demo bool
	// BaseURL is the URL at which people reach the service. Cookies are marked Secure when it is
	// https.
	BaseURL string
	// Origins are the origins, other than the service's own, whose pages may call the API and open
	// sockets.
	Origins []string
	// RateLimit is the number of requests per second of one subject, with bursts of twice as many;
	// 500 by default.
	RateLimit int
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For or Forwarded header names
	// the client.
	TrustedProxies []netip.Prefix
	// ClientAddress is how much of the client's address events store; all of it by default.
	ClientAddress peer.AddressDetail
	// BodyTimeout is the time that a client has to send a request's body; 15 s by default.
	BodyTimeout time.Duration
	// Ready returns the reason why the service cannot take requests, which is shown, or nil.
	Ready func(ctx context.Context) error
	// Version is the version of the binary, shown at /livez and in the OpenAPI document. If it is
	// empty, /livez shows none, and the document has the version "1".
	Version string
	// Notes are warnings for operators, shown in /readyz, a line each.
	Notes []string
	// Registerer takes the metrics of requests; Gatherer is shown at /metrics in demo mode. Both
	// may be nil.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	Logger     *slog.Logger
	// Tracer traces sampled requests; nil disables tracing.
	Tracer *tracing.Tracer
}

// Validate reports the required fields that are missing, and a BaseURL that is not a URL.
func (c Config) Validate() error {
	var missing []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"Directory", c.Directory != nil},
		{"Writer", c.Writer != nil},
		{"Verifier", c.Verifier != nil},
		{"Ready", c.Ready != nil},
	} {
		if !field.set {
			missing = append(missing, field.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("httpapi: not set: %s", strings.Join(missing, ", "))
	}
	if base, err := url.Parse(c.BaseURL); err != nil || base.Host == "" {
		return errors.New("httpapi: BaseURL is not a URL")
	}
	if err := c.ClientAddress.Validate(); err != nil {
		return fmt.Errorf("httpapi: ClientAddress: %w", err)
	}
	return nil
}

// Server answers requests. It is an http.Handler. Routes are added to it, by Register and Handle,
// before Finish; then it serves.
type Server struct {
	cfg        Config
	logger     *slog.Logger
	echo       *echo.Echo
	api        huma.API
	metrics    *metrics
	actors     *auth.ActorCache
	signIns    *signIns
	perSubject *limit.Keyed[string]
	proxies    peer.Proxies
	// failures counts failed sign-ins by the network that they come from.
	failures            *limit.Keyed[netip.Prefix]
	doubtful, exchanges limit.Gate
	// links counts the requests of public links by the network that they come from.
	links       *limit.Keyed[netip.Prefix]
	crossOrigin *http.CrossOriginProtection
	baseURL     *url.URL
	collections []Collection
	routes      map[string]Access
	headerLinks []headerLink
	loginPath   string
	methodHints []methodHint
}

// New returns a server with the routes of health, metrics and documentation. It serves after
// Finish.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	cfg.RateLimit = cmp.Or(cfg.RateLimit, defaultRateLimit)
	cfg.BodyTimeout = cmp.Or(cfg.BodyTimeout, body.DefaultTimeout)
	s := &Server{
		cfg: cfg, logger: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), baseURL: base,
		perSubject: limit.NewKeyed[string](float64(cfg.RateLimit), 2*cfg.RateLimit),
		proxies:    cfg.TrustedProxies,
		failures:   limit.NewKeyed[netip.Prefix](float64(cfg.RateLimit)/failureShare, cfg.RateLimit),
		doubtful:   make(limit.Gate, maxDoubtful), exchanges: make(limit.Gate, maxExchanges),
		links:       limit.NewKeyed[netip.Prefix](float64(cfg.RateLimit), 2*cfg.RateLimit),
		crossOrigin: http.NewCrossOriginProtection(),
		routes:      map[string]Access{},
	}
	if s.actors, err = auth.NewActorCache(cfg.Directory); err != nil {
		return nil, err
	}
	if s.signIns, err = newSignIns(cfg.Directory, s.logger); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s.echo = echo.NewWithConfig(echo.Config{
		Logger: s.logger, HTTPErrorHandler: s.answerError, Router: echo.NewRouter(echo.RouterConfig{UnescapePathParamValues: true}),
	})
	s.echo.Use(s.observe, s.recovered, s.secureHeaders(), s.headers, s.cors(), s.limits)
	configureHuma()
	s.api = huma.NewAPI(openapi.Config(cfg.Version, SessionCookie, jsonFormat), &humaAdapter{server: s})
	s.addHealth()
	s.addAssets()
	return s, nil
}

// Finish completes the OpenAPI document from the operations added before and adds its routes and
// the pages under /docs. It fails if a route names no action of care.Access and is not on the list
// of public ones.
func (s *Server) Finish() error {
	s.addDocs()
	s.addSpecification()
	return s.checkRoutes()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, plainPath(r)) }

// OpenAPI returns the OpenAPI document.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// BaseURL returns the URL at which people reach the service.
func (s *Server) BaseURL() *url.URL { return s.baseURL }

// Demo reports whether the service runs in demo mode.
func (s *Server) Demo() bool { return s.cfg.Demo }

// Issuer returns the identity provider that is trusted.
func (s *Server) Issuer() string { return s.cfg.Verifier.Issuer() }

// secure reports whether people reach the service by TLS.
func (s *Server) secure() bool { return s.baseURL.Scheme == "https" }
