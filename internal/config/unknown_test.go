package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromEnvironment_ReportsEveryBadSettingAtOnce(t *testing.T) {
	t.Setenv("CAREWIRE_SHUTDOWN_TIMEOUT", "x")
	t.Setenv("CAREWIRE_RATE_LIMIT", "many")
	t.Setenv("CAREWIRE_ADDR", "8080")
	t.Setenv("CAREWIRE_LOG_LEVEL", "loud")
	t.Setenv("CAREWIRE_ORIGIN", "https://app.example")
	t.Setenv("CAREWIRE_OIDC_CLIENT_SECRET_FILE", "/nowhere")
	c, err := FromEnvironment()
	for _, text := range []string{
		"CAREWIRE_SHUTDOWN_TIMEOUT: invalid value; want a duration such as 20s or 5m", "CAREWIRE_RATE_LIMIT: invalid value; want a whole number",
		"CAREWIRE_ORIGIN: unknown setting; did you mean CAREWIRE_ORIGINS?", "CAREWIRE_OIDC_CLIENT_SECRET_FILE: cannot read",
	} {
		require.ErrorContains(t, err, text)
	}
	err = c.Validate()
	require.ErrorContains(t, err, "CAREWIRE_ADDR: ")
	require.ErrorContains(t, err, "CAREWIRE_LOG_LEVEL: ")
	require.NotContains(t, err.Error(), "CAREWIRE_SHUTDOWN_TIMEOUT", "it has its default")
	require.NotContains(t, err.Error(), "CAREWIRE_RATE_LIMIT")
}

func TestCheckNames_TellsTyposFromForeignVariables(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"CAREWIRE_RATE_LIMTI":                 "did you mean CAREWIRE_RATE_LIMIT?",
		"CAREWIRE_TRUSTED_PROXY":              "",
		"CAREWIRE_TRUSTED_PROXIE":             "did you mean CAREWIRE_TRUSTED_PROXIES?",
		"CAREWIRE_EMAIL_FROM_FILE":            "CAREWIRE_EMAIL_FROM cannot be read from a file",
		"CAREWIRE_APP_DATABASE_URL_FIL":       "did you mean CAREWIRE_APP_DATABASE_URL_FILE?",
		"CAREWIRE_OIDC_CLIENT_SECRET_FILENAM": "",
		"CAREWIRE_UNHEARD_OF_THING":           "",
	} {
		warnings, err := checkNames([]string{name + "=secret", "PATH=/bin", "CAREWIRE_ADDR=x", "DATABASE_URL_FILE=x"})
		if want == "" {
			require.NoError(t, err, name)
			require.Len(t, warnings, 1, name)
			require.Contains(t, warnings[0], name+" is ignored; the most similar one is CAREWIRE_")
			require.NotContains(t, warnings[0], "secret")
			continue
		}
		require.ErrorContains(t, err, name+": ")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
		require.Empty(t, warnings)
	}
	warnings, err := checkNames([]string{
		"CAREWIRE_SERVICE_HOST=10.0.0.1", "CAREWIRE_SERVICE_PORT=80", "CAREWIRE_PORT=tcp://10.0.0.1:80", "CAREWIRE_PORT_80_TCP=tcp://10.0.0.1:80", "CAREWIRE_TEST_CLUSTER=x",
		"carewire_addr=x", "CAREWIREX=1",
	})
	require.NoError(t, err)
	require.Empty(t, warnings, "Kubernetes sets these for a Service named carewire")
}
