package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Values of CAREWIRE_ALLOW_INSECURE.
const (
	insecureBaseURL  = "base-url"
	insecureDatabase = "database"
	insecureMetrics  = "metrics"
	insecureOrigins  = "origins"
)

// Insecure returns the valid values of CAREWIRE_ALLOW_INSECURE.
func Insecure() []string {
	return []string{insecureBaseURL, insecureDatabase, insecureMetrics, insecureOrigins}
}

// validateSafety reports settings that would expose credentials, patients' data or profiles, unless
// CAREWIRE_ALLOW_INSECURE has the exception. Demo mode, which has no real data and stays on
// loopback, is exempt.
func (c Config) validateSafety(add addError) {
	for _, name := range c.AllowInsecure {
		if name = strings.TrimSpace(name); !slices.Contains(Insecure(), name) {
			add("CAREWIRE_ALLOW_INSECURE", "unknown value %q; want one of %s", name, strings.Join(Insecure(), ", "))
		}
	}
	if c.Demo {
		return
	}
	unsafe := func(name, as, problem string) {
		if !c.allows(as) {
			add(name, "%s", accepting(problem, as))
		}
	}
	if u, err := url.Parse(c.BaseURL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		unsafe("CAREWIRE_BASE_URL", insecureBaseURL, fmt.Sprintf("%q is not https, so credentials and records would be sent in clear text: set it to the https URL of the proxy that terminates TLS", c.BaseURL))
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			unsafe("CAREWIRE_ORIGINS", insecureOrigins, fmt.Sprintf("%q is not https, so an attacker on the network can act as its users: use https", o))
		}
	}
	if c.MetricsAddr != "" && !internal(c.MetricsAddr) {
		unsafe("CAREWIRE_METRICS_ADDR", insecureMetrics, fmt.Sprintf("%q can be reachable from outside, and metrics and profiles need no authentication: use a loopback or private address of this host", c.MetricsAddr))
	}
	for _, d := range c.databases() {
		if host := clearTextHost(d.URL); host != "" {
			unsafe(d.Setting, insecureDatabase, clearTextProblem(host))
		}
	}
}

// Database is a URL of the database and the setting that holds it. Setting is empty for the
// embedded server.
type Database struct{ Setting, URL string }

func (c Config) databases() []Database {
	return []Database{
		{"DATABASE_URL", c.DatabaseURL}, {"CAREWIRE_APP_DATABASE_URL", c.AppDatabaseURL}, {"CAREWIRE_WORKER_DATABASE_URL", c.WorkerDatabaseURL},
	}
}

// DatabaseFor returns the database for connections in a PostgreSQL role: the role's own setting,
// else DATABASE_URL, else the zero Database. Roles other than carewire_app and carewire_worker have
// no setting of their own.
func (c Config) DatabaseFor(role string) Database {
	switch {
	case role == "carewire_app" && c.AppDatabaseURL != "":
		return Database{"CAREWIRE_APP_DATABASE_URL", c.AppDatabaseURL}
	case role == "carewire_worker" && c.WorkerDatabaseURL != "":
		return Database{"CAREWIRE_WORKER_DATABASE_URL", c.WorkerDatabaseURL}
	case c.DatabaseURL != "":
		return Database{"DATABASE_URL", c.DatabaseURL}
	}
	return Database{}
}

// CheckDatabase returns an error for a database URL that can send patients' data in clear text: one
// that does not require TLS to a host other than this one, unless CAREWIRE_ALLOW_INSECURE has the
// exception. Demo mode is exempt.
func (c Config) CheckDatabase() error {
	if c.Demo || c.allows(insecureDatabase) {
		return nil
	}
	for _, d := range c.databases() {
		if host := clearTextHost(d.URL); host != "" {
			return fmt.Errorf("%s: %s", d.Setting, accepting(clearTextProblem(host), insecureDatabase))
		}
	}
	return nil
}

func clearTextProblem(host string) string {
	return fmt.Sprintf("the connection to %q can be in clear text, because its sslmode does not require TLS: add sslmode=verify-full and sslrootcert", host)
}

// accepting returns the problem with the value of CAREWIRE_ALLOW_INSECURE that accepts it.
func accepting(problem, as string) string {
	return problem + "; to accept the risk, add " + as + " to CAREWIRE_ALLOW_INSECURE"
}

// allows reports whether CAREWIRE_ALLOW_INSECURE has the value.
func (c Config) allows(name string) bool {
	return slices.ContainsFunc(c.AllowInsecure, func(s string) bool { return strings.TrimSpace(s) == name })
}

// clearTextHost returns a host other than this one that the URL allows to reach without TLS, or "".
// An invalid URL is reported elsewhere.
func clearTextHost(databaseURL string) string {
	if databaseURL == "" {
		return "" // pgconn would take the host from libpq's variables.
	}
	c, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return ""
	}
	attempts := append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	for _, a := range attempts {
		if a.TLSConfig == nil && !socket(a.Host) && !loopback(a.Host) {
			return a.Host
		}
	}
	return ""
}

// socket reports whether the host is the directory of a Unix socket.
func socket(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }

// internal reports whether an address to listen on is reachable only from this host or a private
// network (RFC 1918, RFC 4193, link-local). It returns false for all addresses at once and for a
// host name other than localhost, which can be anything.
func internal(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		host, _, found := strings.Cut(addr, ":")
		return found && host == "localhost"
	}
	ip := at.Addr().Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
}
