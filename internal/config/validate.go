package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// minConns and maxConns bound CAREWIRE_DB_MAX_CONNS.
const (
	minConns = 4
	maxConns = 1000
)

// clientAddresses are the values of CAREWIRE_AUDIT_CLIENT_ADDRESS. minClientRetention is the lowest
// CAREWIRE_AUDIT_CLIENT_RETENTION: an incident is rarely noticed on the same day.
var clientAddresses = []string{"full", "prefix", "off"}

const minClientRetention = 24 * time.Hour

// addError adds an error of a setting.
type addError func(setting, format string, args ...any)

// Validate returns all errors of the settings, each with its name and the values that are valid, or
// nil.
func (c Config) Validate() error {
	var errs []error
	add := func(setting, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", setting, fmt.Sprintf(format, args...)))
	}
	c.validateAddresses(add)
	c.validateDatabase(add)
	c.validateLogin(add)
	c.validateSafety(add)
	c.validateImages(add)
	c.validateLimits(add)
	c.validateSMS(add)
	c.validateWhatsApp(add)
	c.validateLog(add)
	c.validateDurations(add)
	return errors.Join(errs...)
}

// isAppLink reports whether links can redirect to the URL: one of a website, or of an app's own
// scheme, with {path} once behind the host.
func isAppLink(text string) bool {
	before, after, ok := strings.Cut(text, "{path}")
	u, err := url.Parse(before)
	if !ok || err != nil || strings.Contains(after, "{path}") || strings.ContainsAny(text, " \r\n\\") {
		return false
	}
	switch u.Scheme {
	case "", "javascript", "data", "file", "vbscript":
		return false
	case "http", "https":
		return u.Host != "" && u.User == nil && u.Path != ""
	}
	return true
}

func (c Config) validateAddresses(add addError) {
	host, _, err := net.SplitHostPort(c.Addr)
	switch {
	case err != nil:
		add("CAREWIRE_ADDR", "invalid address %q; want host:port, such as 127.0.0.1:8080", c.Addr)
	case c.Demo && !c.DemoAnyAddr && !loopback(host):
		add("CAREWIRE_ADDR", "in demo mode anyone can act in any role, so it listens on loopback only; use 127.0.0.1, or allow other addresses with --demo-any-address")
	}
	if u, err := url.Parse(c.BaseURL); err != nil || !isHTTP(u) {
		add("CAREWIRE_BASE_URL", "invalid URL %q; want an http or https URL", c.BaseURL)
	}
	if c.AppLink != "" && !isAppLink(c.AppLink) {
		add("CAREWIRE_APP_LINK", "invalid URL %q; want one with {path}, such as https://app.example.org/{path}", c.AppLink)
	}
	if c.MetricsAddr != "" {
		if _, _, err := net.SplitHostPort(c.MetricsAddr); err != nil {
			add("CAREWIRE_METRICS_ADDR", "invalid address %q; want host:port", c.MetricsAddr)
		}
	}
	if _, err := c.Proxies(); err != nil {
		add("CAREWIRE_TRUSTED_PROXIES", "%v", err)
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || !isHTTP(u) || u.Path != "" {
			add("CAREWIRE_ORIGINS", "invalid origin %q; want one such as https://app.example.org", o)
		}
	}
}

// imageHost matches a lower-case host name with at least one dot. A port or a path would suggest that
// it is checked.
var imageHost = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (c Config) validateImages(add addError) {
	for _, host := range c.ImageHosts {
		if len(host) > 253 || !imageHost.MatchString(host) {
			add("CAREWIRE_IMAGE_HOSTS", "invalid host %q; want a name such as img.example.org, without scheme, port and path", host)
		}
	}
}

func isHTTP(u *url.URL) bool { return u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") }

func (c Config) validateDatabase(add addError) {
	for _, d := range c.databases() {
		if d.URL != "" && !strings.HasPrefix(d.URL, "postgres://") && !strings.HasPrefix(d.URL, "postgresql://") {
			add(d.Setting, "must begin with postgres:// or postgresql://; for the embedded database leave all three URLs empty")
		}
	}
	switch {
	case c.DatabaseURL != "":
	case c.AppDatabaseURL != "" && c.WorkerDatabaseURL == "":
		add("CAREWIRE_WORKER_DATABASE_URL", "required with CAREWIRE_APP_DATABASE_URL if DATABASE_URL is not set")
	case c.WorkerDatabaseURL != "" && c.AppDatabaseURL == "":
		add("CAREWIRE_APP_DATABASE_URL", "required with CAREWIRE_WORKER_DATABASE_URL if DATABASE_URL is not set")
	case c.Embedded() && c.DataDir == "":
		add("CAREWIRE_DATA_DIR", "required if DATABASE_URL is not set")
	}
}

func (c Config) validateLogin(add addError) {
	if c.OIDCKeysMaxAge != 0 && (c.OIDCKeysMaxAge < 10*time.Second || c.OIDCKeysMaxAge > 24*time.Hour) {
		add("CAREWIRE_OIDC_KEYS_MAX_AGE", "must be 10s to 24h, such as 5m")
	}
	if c.Demo {
		return
	}
	if c.OIDCIssuer == "" {
		add("CAREWIRE_OIDC_ISSUER", "required: the URL of your identity provider; or start with --demo to try carewire out")
	} else if u, err := url.Parse(c.OIDCIssuer); err != nil || u.Host == "" {
		add("CAREWIRE_OIDC_ISSUER", "invalid URL %q", c.OIDCIssuer)
	} else if u.Scheme != "https" && !loopback(u.Hostname()) {
		add("CAREWIRE_OIDC_ISSUER", "must be https: an attacker on the network could replace the keys that verify tokens")
	}
	if c.OIDCAudience == "" {
		add("CAREWIRE_OIDC_AUDIENCE", "required: without it, tokens for any other service would be accepted")
	}
}

func (c Config) validateLimits(add addError) {
	for _, role := range c.Roles {
		if !slices.Contains(AllRoles, role) {
			add("--roles", "unknown role %q; want one of %s", role, strings.Join(AllRoles, ", "))
		}
	}
	if c.RateLimit < 1 {
		add("CAREWIRE_RATE_LIMIT", "must be at least 1 request a second, not %d", c.RateLimit)
	}
	if c.SocketsPerPerson < 1 {
		add("CAREWIRE_SOCKETS_PER_PERSON", "must be at least 1 socket, not %d", c.SocketsPerPerson)
	}
	if c.AuditClientAddress != "" && !slices.Contains(clientAddresses, c.AuditClientAddress) {
		add("CAREWIRE_AUDIT_CLIENT_ADDRESS", "unknown value %q; want one of %s", c.AuditClientAddress, strings.Join(clientAddresses, ", "))
	}
	if c.AuditClientRetention != 0 && c.AuditClientRetention < minClientRetention {
		add("CAREWIRE_AUDIT_CLIENT_RETENTION", "must be 0 (for ever) or at least %s, not %s", minClientRetention, c.AuditClientRetention)
	}
	if c.MaxConns < minConns || c.MaxConns > maxConns {
		add("CAREWIRE_DB_MAX_CONNS", "must be %d to %d, not %d", minConns, maxConns, c.MaxConns)
	}
	for _, r := range []struct {
		setting string
		rate    float64
	}{
		{"CAREWIRE_EMAIL_MAX_RATE", c.EmailMaxRate},
		{"CAREWIRE_PUSH_MAX_RATE", c.PushMaxRate},
		{"CAREWIRE_SMS_MAX_RATE", c.SMSMaxRate},
		{"CAREWIRE_WHATSAPP_MAX_RATE", c.WhatsAppMaxRate},
	} {
		if !(r.rate >= 0 && r.rate <= maxSendRate) { // NaN fails both comparisons.
			add(r.setting, "must be 0 (as many as the provider accepts) to %d messages a second, not %v", maxSendRate, r.rate)
		}
	}
}

func (c Config) validateLog(add addError) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		add("CAREWIRE_LOG_LEVEL", "unknown level %q; want one of debug, info, warn, error", c.LogLevel)
	}
	if !slices.Contains([]string{"auto", "json", "text"}, c.LogFormat) {
		add("CAREWIRE_LOG_FORMAT", "unknown format %q; want one of auto, json, text", c.LogFormat)
	}
}

func (c Config) validateDurations(add addError) {
	if c.ShutdownTimeout <= 0 {
		add("CAREWIRE_SHUTDOWN_TIMEOUT", "must be a positive duration, such as 20s")
	}
	if c.StartTimeout < 0 {
		add("CAREWIRE_START_TIMEOUT", "must be a duration such as 60s, or 0 to disable waiting")
	}
	if c.DrainDelay != nil && *c.DrainDelay < 0 {
		add("CAREWIRE_DRAIN_DELAY", "must be a duration such as 5s, or 0 to disable draining")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
