package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// safe is a valid configuration outside demo mode.
func safe() Config {
	return Config{
		DatabaseURL: "postgres://carewire@db.clinic.example/carewire?sslmode=verify-full", DataDir: "data", Addr: "0.0.0.0:8080",
		BaseURL: "https://clinic.example", MetricsAddr: "10.0.0.7:9090", Origins: []string{"https://app.clinic.example"}, RateLimit: 500, SocketsPerPerson: 50, MaxConns: 32,
		OIDCIssuer: "https://id.clinic.example", OIDCAudience: "carewire", LogLevel: "info", LogFormat: "auto", ShutdownTimeout: time.Second,
	}
}

func TestValidate_RejectsUnsafeSettingsUnlessAllowed(t *testing.T) {
	t.Parallel()
	require.NoError(t, safe().Validate())
	for name, c := range map[string]struct {
		set     func(c *Config)
		setting string
		allow   string
	}{
		"http for people":            {func(c *Config) { c.BaseURL = "http://clinic.example" }, "CAREWIRE_BASE_URL", "base-url"},
		"no base URL on any address": {func(c *Config) { c.BaseURL = "http://0.0.0.0:8080" }, "CAREWIRE_BASE_URL", "base-url"},
		"an http origin":             {func(c *Config) { c.Origins = append(c.Origins, "http://app.clinic.example") }, "CAREWIRE_ORIGINS", "origins"},
		"sslmode=disable":            {func(c *Config) { c.DatabaseURL = "postgres://u@db/c?sslmode=disable" }, "DATABASE_URL", "database"},
		"sslmode=allow":              {func(c *Config) { c.DatabaseURL = "postgres://u@10.0.0.3/c?sslmode=allow" }, "DATABASE_URL", "database"},
		"sslmode=prefer":             {func(c *Config) { c.DatabaseURL = "postgresql://u@db/c?sslmode=prefer" }, "DATABASE_URL", "database"},
		"no sslmode":                 {func(c *Config) { c.DatabaseURL = "postgres://u@db:5433/c" }, "DATABASE_URL", "database"},
		"the host in the query":      {func(c *Config) { c.DatabaseURL = "postgres:///c?host=db&sslmode=disable" }, "DATABASE_URL", "database"},
		"one host of two":            {func(c *Config) { c.DatabaseURL = "postgres://u@127.0.0.1,db.clinic.example/c?sslmode=disable" }, "DATABASE_URL", "database"},
		"metrics on all addresses":   {func(c *Config) { c.MetricsAddr = "0.0.0.0:9090" }, "CAREWIRE_METRICS_ADDR", "metrics"},
		"metrics on every one":       {func(c *Config) { c.MetricsAddr = ":9090" }, "CAREWIRE_METRICS_ADDR", "metrics"},
		"metrics on IPv6's all":      {func(c *Config) { c.MetricsAddr = "[::]:9090" }, "CAREWIRE_METRICS_ADDR", "metrics"},
		"metrics on a public one":    {func(c *Config) { c.MetricsAddr = "203.0.113.7:9090" }, "CAREWIRE_METRICS_ADDR", "metrics"},
		"metrics on a name":          {func(c *Config) { c.MetricsAddr = "metrics.clinic.example:9090" }, "CAREWIRE_METRICS_ADDR", "metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := safe()
			c.set(&cfg)
			err := cfg.Validate()
			require.ErrorContains(t, err, c.setting+": ")
			require.ErrorContains(t, err, "add "+c.allow+" to CAREWIRE_ALLOW_INSECURE")
			require.NotContains(t, err.Error(), "\n", "nothing else is refused")
			for _, other := range Insecure() {
				if other != c.allow {
					cfg.AllowInsecure = append(cfg.AllowInsecure, other)
				}
			}
			require.Error(t, cfg.Validate(), "other exceptions do not apply")
			cfg.AllowInsecure = []string{" " + c.allow}
			require.NoError(t, cfg.Validate())
			cfg.AllowInsecure, cfg.Demo = nil, true
			cfg.DemoAnyAddr = true
			require.NoError(t, cfg.Validate(), "a demo has no real data")
		})
	}
}

func TestValidate_AcceptsAddressesOfThisHostAndItsNetwork(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(c *Config){
		"http on loopback":            func(c *Config) { c.BaseURL = "http://127.0.0.1:8080" },
		"http on localhost":           func(c *Config) { c.BaseURL = "http://localhost:8080" },
		"http on IPv6's loopback":     func(c *Config) { c.BaseURL = "http://[::1]:8080" },
		"a developer's origin":        func(c *Config) { c.Origins = []string{"http://localhost:3000"} },
		"PostgreSQL on loopback":      func(c *Config) { c.DatabaseURL = "postgres://u@127.0.0.1/c?sslmode=disable" },
		"PostgreSQL on a Unix socket": func(c *Config) { c.DatabaseURL = "postgres://u@/c?host=/var/run/postgresql" },
		"sslmode=require":             func(c *Config) { c.DatabaseURL = "postgres://u@db/c?sslmode=require" },
		"the embedded database":       func(c *Config) { c.DatabaseURL = "" },
		"metrics on loopback":         func(c *Config) { c.MetricsAddr = "localhost:9090" },
		"metrics on IPv6's loopback":  func(c *Config) { c.MetricsAddr = "[::1]:9090" },
		"metrics on a private IPv6":   func(c *Config) { c.MetricsAddr = "[fd00::7]:9090" },
		"no metrics":                  func(c *Config) { c.MetricsAddr = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := safe()
			set(&cfg)
			require.NoError(t, cfg.Validate())
			require.NoError(t, cfg.CheckDatabase())
		})
	}
}

func TestValidate_RejectsAnUnknownException(t *testing.T) {
	t.Parallel()
	cfg := safe()
	cfg.AllowInsecure = []string{"everything"}
	require.ErrorContains(t, cfg.Validate(), `CAREWIRE_ALLOW_INSECURE: unknown value "everything"; want one of base-url, database, metrics, origins`)
}

func TestFromEnvironment_ReadsSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	t.Setenv("DATABASE_URL_FILE", write("url", "postgres://carewire:s3cret@db/carewire?sslmode=verify-full\n"))
	t.Setenv("CAREWIRE_OIDC_CLIENT_SECRET_FILE", write("secret", "hunter2"))
	c, err := FromEnvironment()
	require.NoError(t, err)
	require.Equal(t, "postgres://carewire:s3cret@db/carewire?sslmode=verify-full", c.DatabaseURL)
	require.Equal(t, "hunter2", c.OIDCClientSecret)

	for name, file := range map[string]string{
		"cannot read": filepath.Join(dir, "none"), "is empty": write("empty", "\n"), "is a directory": dir,
		"more than one line": write("lines", "hunter2\nhunter3\n"), "is larger": write("large", strings.Repeat("s", 1<<20)),
	} {
		t.Setenv("CAREWIRE_OIDC_CLIENT_SECRET_FILE", file)
		_, err := FromEnvironment()
		require.ErrorContains(t, err, "CAREWIRE_OIDC_CLIENT_SECRET_FILE: ")
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "hunter")
	}
	t.Setenv("DATABASE_URL", "postgres://elsewhere")
	_, err = FromEnvironment()
	require.ErrorContains(t, err, "DATABASE_URL_FILE: DATABASE_URL is set too")
}

func TestDrain_HasADelayOutsideDemoMode(t *testing.T) {
	c, err := FromEnvironment()
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, c.Drain())
	c.Demo = true
	require.Zero(t, c.Drain())
	t.Setenv("CAREWIRE_DRAIN_DELAY", "7s")
	c, err = FromEnvironment()
	require.NoError(t, err)
	for _, c.Demo = range []bool{true, false} {
		require.Equal(t, 7*time.Second, c.Drain())
	}
	t.Setenv("CAREWIRE_DRAIN_DELAY", "a while")
	_, err = FromEnvironment()
	require.ErrorContains(t, err, "CAREWIRE_DRAIN_DELAY: invalid value; want a duration")
	t.Setenv("CAREWIRE_DRAIN_DELAY", "-1s")
	t.Setenv("CAREWIRE_START_TIMEOUT", "-1s")
	c, err = FromEnvironment()
	require.NoError(t, err)
	require.ErrorContains(t, c.Validate(), "CAREWIRE_DRAIN_DELAY: ")
	require.ErrorContains(t, c.Validate(), "CAREWIRE_START_TIMEOUT: ")
}
