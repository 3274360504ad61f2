package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromEnvironment_NamesEverySettingThatCannotBeRead(t *testing.T) {
	t.Setenv("CAREWIRE_RATE_LIMIT", "many")
	t.Setenv("CAREWIRE_SHUTDOWN_TIMEOUT", "soon")
	_, err := FromEnvironment()
	require.ErrorContains(t, err, "CAREWIRE_RATE_LIMIT: ")
	require.ErrorContains(t, err, "CAREWIRE_SHUTDOWN_TIMEOUT: ")
}

func TestValidate_SaysAllThatIsWrongAtOnce(t *testing.T) {
	t.Setenv("CAREWIRE_ADDR", "8080")
	t.Setenv("DATABASE_URL", "mysql://db")
	t.Setenv("CAREWIRE_ORIGINS", "app.example.org,https://ok.example.org")
	t.Setenv("CAREWIRE_LOG_LEVEL", "loud")
	t.Setenv("CAREWIRE_EMAIL_MAX_RATE", "-1")
	t.Setenv("CAREWIRE_PUSH_MAX_RATE", "NaN")
	c, err := FromEnvironment()
	require.NoError(t, err)
	err = c.Validate()
	for _, name := range []string{"CAREWIRE_ADDR", "DATABASE_URL", "CAREWIRE_ORIGINS", "CAREWIRE_LOG_LEVEL", "CAREWIRE_OIDC_ISSUER", "CAREWIRE_EMAIL_MAX_RATE", "CAREWIRE_PUSH_MAX_RATE"} {
		require.ErrorContains(t, err, name)
	}
	require.NotContains(t, err.Error(), "ok.example.org")
}

func TestValidate_KeepsDemoModeOnLoopbackUnlessForced(t *testing.T) {
	t.Setenv("CAREWIRE_ADDR", "0.0.0.0:8080")
	c, err := FromEnvironment()
	require.NoError(t, err)
	c.Demo = true
	require.ErrorContains(t, c.Validate(), "CAREWIRE_ADDR")
	c.DemoAnyAddr = true
	require.NoError(t, c.Validate())
}

func TestValidate_AcceptsTheDefaultsOfDemoMode(t *testing.T) {
	c, err := FromEnvironment()
	require.NoError(t, err)
	c.Demo = true
	require.NoError(t, c.Validate())
	require.Equal(t, "http://127.0.0.1:8080", c.BaseURL)
}

func TestReference_SaysWhatEverySettingIs(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(Reference()) {
		require.Regexp(t, `^(Settings are .*|  [A-Z_]+ +[^ (].*)`, line, "a setting without a meaning")
	}
}
