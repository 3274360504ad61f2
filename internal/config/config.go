// Package config reads the service's settings from the environment. All that is wrong with them is said at once, each
// setting by its name.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is every setting of the service; about is what --help says of it. Credentials of AWS and Google are read by their SDKs from their own variables.
type Config struct {
	// DatabaseURL is PostgreSQL's, as the owner: for migrations and commands, and for everything without the two below.
	// Without any of the three the service embeds a server in DataDir.
	DatabaseURL string `env:"DATABASE_URL" about:"PostgreSQL 15 or newer, as the owner; none: the embedded server"`
	// DatabaseURLFile holds DatabaseURL, which the environment then does not; the other files hold the other two.
	DatabaseURLFile string `env:"DATABASE_URL_FILE" about:"a file that holds DATABASE_URL"`
	// AppDatabaseURL is the same database's, as a login that can become carewire_app alone: requests run over it.
	AppDatabaseURL     string `env:"CAREWIRE_APP_DATABASE_URL" about:"the same database, as a login of carewire_app alone: for requests; none: DATABASE_URL"`
	AppDatabaseURLFile string `env:"CAREWIRE_APP_DATABASE_URL_FILE" about:"a file that holds CAREWIRE_APP_DATABASE_URL"`
	// WorkerDatabaseURL is the same database's, as a login that can become carewire_worker alone: work runs over it.
	WorkerDatabaseURL     string `env:"CAREWIRE_WORKER_DATABASE_URL" about:"the same database, as a login of carewire_worker alone: for work; none: DATABASE_URL"`
	WorkerDatabaseURLFile string `env:"CAREWIRE_WORKER_DATABASE_URL_FILE" about:"a file that holds CAREWIRE_WORKER_DATABASE_URL"`
	// DataDir holds the embedded database and the demo's signing key.
	DataDir string `env:"CAREWIRE_DATA_DIR" envDefault:".carewire" about:"the embedded database and the demo's signing key"`
	// Addr is where HTTP is served, host:port.
	Addr string `env:"CAREWIRE_ADDR" envDefault:"127.0.0.1:8080" about:"where to serve HTTP"`
	// BaseURL is how people reach the service; links in messages begin with it. Empty means http://Addr.
	BaseURL string `env:"CAREWIRE_BASE_URL" about:"how people reach the service; links begin with it; none: http://CAREWIRE_ADDR"`
	// MetricsAddr serves /metrics and profiles apart from the API; empty means nowhere, but in demo mode on Addr.
	MetricsAddr string `env:"CAREWIRE_METRICS_ADDR" about:"where to serve /metrics and profiles, for operators only; none: in demo mode on CAREWIRE_ADDR, else nowhere"`
	// Origins may call the API and open sockets from a browser, besides the service's own; none by default.
	Origins []string `env:"CAREWIRE_ORIGINS" envSeparator:"," about:"origins of browsers that may call, comma-separated; none: only the service's own"`
	// TrustedProxies are the addresses of the proxies before the service, whose X-Forwarded-For says who the client is.
	TrustedProxies []string `env:"CAREWIRE_TRUSTED_PROXIES" envSeparator:"," about:"addresses or networks of the proxies before it, comma-separated, whose X-Forwarded-For or Forwarded names the client; none: nobody is believed"`
	// RateLimit is how many requests a second one subject may make.
	RateLimit int `env:"CAREWIRE_RATE_LIMIT" envDefault:"500" about:"requests a second one subject may make"`
	// MaxConns is how many connections each of the two pools (requests, work) may open.
	MaxConns int32 `env:"CAREWIRE_DB_MAX_CONNS" envDefault:"32" about:"connections of each of the two pools"`

	// OIDCIssuer is the identity provider; required unless in demo mode.
	OIDCIssuer string `env:"CAREWIRE_OIDC_ISSUER" about:"the identity provider; required without --demo"`
	// OIDCAudience is what a bearer token's aud must hold.
	OIDCAudience string `env:"CAREWIRE_OIDC_AUDIENCE" envDefault:"carewire" about:"what a token's aud must hold"`
	// OIDCKeysMaxAge is how old the identity provider's keys may be before they are fetched again; 0 means 5 minutes.
	OIDCKeysMaxAge time.Duration `env:"CAREWIRE_OIDC_KEYS_MAX_AGE" envDefault:"5m" about:"how long a key that the identity provider withdrew still counts"`
	// OIDCClientID and OIDCClientSecret sign browsers in at /login; without them only bearer tokens are accepted.
	OIDCClientID     string `env:"CAREWIRE_OIDC_CLIENT_ID" about:"the client that signs browsers in at /login"`
	OIDCClientSecret string `env:"CAREWIRE_OIDC_CLIENT_SECRET,unset" about:"its secret, where it has one"`
	// OIDCClientSecretFile holds OIDCClientSecret, which the environment then does not.
	OIDCClientSecretFile string `env:"CAREWIRE_OIDC_CLIENT_SECRET_FILE" about:"a file that holds its secret"`

	// EmailFrom is the sender of emails, verified with SES; empty means that no email is sent.
	EmailFrom string `env:"CAREWIRE_EMAIL_FROM" about:"the sender of emails; none: no email is sent. Credentials: the AWS SDK's variables"`
	// SESConfigurationSet names the SES configuration set that publishes receipts.
	SESConfigurationSet string `env:"CAREWIRE_SES_CONFIGURATION_SET" about:"the SES configuration set that publishes receipts"`
	// EmailMaxRate is how many emails a second this instance sends at most: SES's account limit divided by the instances that
	// send. 0 means as many as SES takes without throttling.
	EmailMaxRate float64 `env:"CAREWIRE_EMAIL_MAX_RATE" envDefault:"0" about:"emails a second this instance sends at most: SES's account limit divided by the instances; 0: as many as SES takes"`
	// FCMProject is the Firebase project of push messages; empty means that no push is sent.
	FCMProject string `env:"CAREWIRE_FCM_PROJECT" about:"the Firebase project; none: no push is sent. Credentials: GOOGLE_APPLICATION_CREDENTIALS"`
	// PushMaxRate is how many push messages a second this instance sends at most; 0 means as many as FCM takes.
	PushMaxRate float64 `env:"CAREWIRE_PUSH_MAX_RATE" envDefault:"0" about:"push messages a second this instance sends at most; 0: as many as FCM takes"`

	// LogLevel is debug, info, warn or error; LogFormat is json, text, or auto (text on a terminal).
	LogLevel  string `env:"CAREWIRE_LOG_LEVEL" envDefault:"info" about:"debug, info, warn or error"`
	LogFormat string `env:"CAREWIRE_LOG_FORMAT" envDefault:"auto" about:"json, text, or auto: text on a terminal"`
	// ShutdownTimeout is how long a stop waits for requests, sockets and jobs.
	ShutdownTimeout time.Duration `env:"CAREWIRE_SHUTDOWN_TIMEOUT" envDefault:"20s" about:"how long a stop waits for requests, sockets and jobs"`

	// StartTimeout is how long a start waits for a database that is away; 0 does not wait.
	StartTimeout time.Duration `env:"CAREWIRE_START_TIMEOUT" envDefault:"60s" about:"how long a start waits for a database that is away; 0: not at all"`
	// DrainDelay is how long a stop goes on serving, not ready any more; nil means 5 seconds, in demo mode 0.
	DrainDelay *time.Duration `env:"CAREWIRE_DRAIN_DELAY" about:"how long a stop goes on serving after /readyz has turned to 503; none: 5s, in demo mode 0s"`

	// AllowInsecure are those of the Insecure settings that are wanted although they are not safe outside demo mode.
	AllowInsecure []string `env:"CAREWIRE_ALLOW_INSECURE" envSeparator:"," about:"unsafe settings to accept, comma-separated: base-url, database, metrics, origins; none: they are refused"`

	// Roles are what this instance does, of AllRoles. Set by --roles.
	Roles []string `env:"-"`
	// Demo seeds a demo clinic, signs tokens with a key of its own and sends to the sandbox. Set by --demo.
	Demo bool `env:"-"`
	// DemoAnyAddr lets demo mode listen on addresses that are not loopback. Set by --demo-any-address.
	DemoAnyAddr bool `env:"-"`
}

// defaultDrainDelay is longer than two looks of a load balancer that looks every 2 seconds.
const defaultDrainDelay = 5 * time.Second

// Drain returns how long a stop goes on serving, so that load balancers see /readyz and look elsewhere.
func (c Config) Drain() time.Duration {
	switch {
	case c.DrainDelay != nil:
		return *c.DrainDelay
	case c.Demo:
		return 0
	}
	return defaultDrainDelay
}

// maxSendRate is the highest rate that may be set for a provider, in messages a second.
const maxSendRate = 10_000

// AllRoles are what an instance can do: serve requests (api) and sockets (realtime), move the outbox into the ledger and
// plan (dispatch), send messages (work).
var AllRoles = []string{"api", "realtime", "dispatch", "work"}

// Does reports whether this instance has the role.
func (c Config) Does(role string) bool { return slices.Contains(c.Roles, role) }

// Embedded reports whether the service runs a PostgreSQL of its own in DataDir: no URL names another.
func (c Config) Embedded() bool {
	return c.DatabaseURL == "" && c.AppDatabaseURL == "" && c.WorkerDatabaseURL == ""
}

// Proxies returns TrustedProxies as networks. An address stands for itself alone.
func (c Config) Proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range c.TrustedProxies {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if addr, bad := netip.ParseAddr(text); bad == nil && addr.Zone() == "" {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not an address or a network, such as 10.0.0.0/8", text)
		}
		if prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("%q: write an IPv4 network as such, for example 10.0.0.0/8", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// FromEnvironment reads the settings from the process's environment, and from the files that it names, without validating
// them.
func FromEnvironment() (Config, error) {
	var c Config
	err := env.Parse(&c)
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		return c, named(all)
	}
	if err != nil {
		return c, err
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://" + c.Addr
	}
	return c, c.readFiles()
}

// named says the errors with the settings' names instead of the struct's fields'.
func named(all env.AggregateError) error {
	var errs []error
	for _, err := range all.Errors {
		if parse, ok := errors.AsType[env.ParseError](err); ok {
			field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
			name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
			err = fmt.Errorf("%s: cannot be read as a %s", name, strings.TrimPrefix(parse.Type.String(), "*"))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Validate says all that is wrong with the settings, each by its name and with what to do, or nil.
func (c Config) Validate() error {
	var errs []error
	wrong := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	host, _, err := net.SplitHostPort(c.Addr)
	switch {
	case err != nil:
		wrong("CAREWIRE_ADDR", "%q is not host:port, such as 127.0.0.1:8080", c.Addr)
	case c.Demo && !c.DemoAnyAddr && !loopback(host):
		wrong("CAREWIRE_ADDR", "demo mode gives everybody every role, so it listens on loopback only; use 127.0.0.1, or force it with --demo-any-address")
	}
	c.validateDatabase(wrong)
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		wrong("CAREWIRE_BASE_URL", "%q is not an http(s) URL", c.BaseURL)
	}
	if c.MetricsAddr != "" {
		if _, _, err := net.SplitHostPort(c.MetricsAddr); err != nil {
			wrong("CAREWIRE_METRICS_ADDR", "%q is not host:port", c.MetricsAddr)
		}
	}
	if _, err := c.Proxies(); err != nil {
		wrong("CAREWIRE_TRUSTED_PROXIES", "%v", err)
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || u.Host == "" || u.Path != "" || (u.Scheme != "http" && u.Scheme != "https") {
			wrong("CAREWIRE_ORIGINS", "%q is not an origin, such as https://app.example.org", o)
		}
	}
	if c.OIDCKeysMaxAge != 0 && (c.OIDCKeysMaxAge < 10*time.Second || c.OIDCKeysMaxAge > 24*time.Hour) {
		wrong("CAREWIRE_OIDC_KEYS_MAX_AGE", "must be 10s to 24h, such as 5m")
	}
	c.validateSignIn(wrong)
	c.validateSafety(wrong)
	for _, role := range c.Roles {
		if !slices.Contains(AllRoles, role) {
			wrong("--roles", "%q is not one of %s", role, strings.Join(AllRoles, ", "))
		}
	}
	if c.RateLimit < 1 {
		wrong("CAREWIRE_RATE_LIMIT", "must be at least 1 request a second, not %d", c.RateLimit)
	}
	if c.MaxConns < 4 || c.MaxConns > 1000 {
		wrong("CAREWIRE_DB_MAX_CONNS", "must be 4 to 1000, not %d", c.MaxConns)
	}
	for name, rate := range map[string]float64{"CAREWIRE_EMAIL_MAX_RATE": c.EmailMaxRate, "CAREWIRE_PUSH_MAX_RATE": c.PushMaxRate} {
		if !(rate >= 0 && rate <= maxSendRate) { // NaN is neither.
			wrong(name, "must be 0 (as many as the provider takes) to %d messages a second, not %v", maxSendRate, rate)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		wrong("CAREWIRE_LOG_LEVEL", "%q is not debug, info, warn or error", c.LogLevel)
	}
	if !slices.Contains([]string{"auto", "json", "text"}, c.LogFormat) {
		wrong("CAREWIRE_LOG_FORMAT", "%q is not auto, json or text", c.LogFormat)
	}
	if c.ShutdownTimeout <= 0 {
		wrong("CAREWIRE_SHUTDOWN_TIMEOUT", "must be a positive duration such as 20s")
	}
	if c.StartTimeout < 0 {
		wrong("CAREWIRE_START_TIMEOUT", "must be a duration such as 60s, or 0 to wait for nothing")
	}
	if c.DrainDelay != nil && *c.DrainDelay < 0 {
		wrong("CAREWIRE_DRAIN_DELAY", "must be a duration such as 5s, or 0 to wait for nobody")
	}
	return errors.Join(errs...)
}

func (c Config) validateDatabase(wrong func(name, format string, args ...any)) {
	for _, d := range c.databases() {
		if d.URL != "" && !strings.HasPrefix(d.URL, "postgres://") && !strings.HasPrefix(d.URL, "postgresql://") {
			wrong(d.Setting, "must begin with postgres:// or postgresql://; leave all three URLs out for the embedded database")
		}
	}
	switch {
	case c.DatabaseURL != "":
	case c.AppDatabaseURL != "" && c.WorkerDatabaseURL == "":
		wrong("CAREWIRE_WORKER_DATABASE_URL", "is required beside CAREWIRE_APP_DATABASE_URL when DATABASE_URL is not set")
	case c.WorkerDatabaseURL != "" && c.AppDatabaseURL == "":
		wrong("CAREWIRE_APP_DATABASE_URL", "is required beside CAREWIRE_WORKER_DATABASE_URL when DATABASE_URL is not set")
	case c.Embedded() && c.DataDir == "":
		wrong("CAREWIRE_DATA_DIR", "is empty, and there is no DATABASE_URL; set one of them")
	}
}

func (c Config) validateSignIn(wrong func(name, format string, args ...any)) {
	if c.Demo {
		return
	}
	if c.OIDCIssuer == "" {
		wrong("CAREWIRE_OIDC_ISSUER", "is required: the URL of your identity provider; or start with --demo to try carewire out")
	} else if u, err := url.Parse(c.OIDCIssuer); err != nil || u.Host == "" {
		wrong("CAREWIRE_OIDC_ISSUER", "%q is not a URL", c.OIDCIssuer)
	} else if u.Scheme != "https" && !loopback(u.Hostname()) {
		wrong("CAREWIRE_OIDC_ISSUER", "must be https: tokens are only as good as the keys fetched from it")
	}
	if c.OIDCAudience == "" {
		wrong("CAREWIRE_OIDC_AUDIENCE", "is empty: without it a token for any other service would be accepted")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
