package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromEnvironment_NamesEverySettingThatItCannotParse(t *testing.T) {
	t.Setenv("CAREWIRE_RATE_LIMIT", "many")
	t.Setenv("CAREWIRE_SHUTDOWN_TIMEOUT", "soon")
	t.Setenv("CAREWIRE_PUSH_CRITICAL_ALERTS", "perhaps")
	_, err := FromEnvironment()
	require.ErrorContains(t, err, "CAREWIRE_PUSH_CRITICAL_ALERTS: ")
	require.ErrorContains(t, err, "CAREWIRE_RATE_LIMIT: ")
	require.ErrorContains(t, err, "CAREWIRE_SHUTDOWN_TIMEOUT: ")
}

func TestValidate_ReportsAllErrorsAtOnce(t *testing.T) {
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

func TestReference_DescribesEverySetting(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(Reference()) {
		require.Regexp(t, `^(Settings are .*|  [A-Z_]+ +[^ (].*)`, line, "a setting without a meaning")
	}
}

func TestValidate_RequiresBothLoginsWithoutTheOwner(t *testing.T) {
	t.Parallel()
	base, err := FromEnvironment()
	require.NoError(t, err)
	base.Demo, base.DatabaseURL, base.DataDir = true, "", ""
	for _, c := range []struct{ owner, app, worker, wrong string }{
		{"postgres://o", "", "", ""},
		{"postgres://o", "postgres://a", "", ""},
		{"postgres://o", "postgres://a", "postgres://w", ""},
		{"", "postgres://a", "postgres://w", ""},
		{"", "postgres://a", "", "CAREWIRE_WORKER_DATABASE_URL"},
		{"", "", "postgres://w", "CAREWIRE_APP_DATABASE_URL"},
		{"", "mysql://a", "postgres://w", "CAREWIRE_APP_DATABASE_URL"},
		{"", "", "", "CAREWIRE_DATA_DIR"},
	} {
		cfg := base
		cfg.DatabaseURL, cfg.AppDatabaseURL, cfg.WorkerDatabaseURL = c.owner, c.app, c.worker
		if c.wrong == "" {
			require.NoError(t, cfg.Validate(), c)
			continue
		}
		require.ErrorContains(t, cfg.Validate(), c.wrong, c)
	}
}

func TestProxies_AreAddressesAndNetworks(t *testing.T) {
	t.Setenv("CAREWIRE_TRUSTED_PROXIES", "10.0.0.7, 192.168.1.1/16,2001:db8::1,fd00::/8")
	c, err := FromEnvironment()
	require.NoError(t, err)
	proxies, err := c.Proxies()
	require.NoError(t, err)
	var all []string
	for _, p := range proxies {
		all = append(all, p.String())
	}
	require.Equal(t, []string{"10.0.0.7/32", "192.168.0.0/16", "2001:db8::1/128", "fd00::/8"}, all)
	for _, wrong := range []string{"proxy.example.org", "10.0.0.0/33", "fe80::1%eth0", "::ffff:10.0.0.0/104"} {
		c.TrustedProxies, c.Demo = []string{"10.0.0.1", wrong}, true
		require.ErrorContains(t, c.Validate(), "CAREWIRE_TRUSTED_PROXIES", wrong)
	}
}

func TestValidate_BoundsTheMaximumAgeOfKeys(t *testing.T) {
	for value, ok := range map[string]bool{"5m": true, "10s": true, "24h": true, "1s": false, "-5m": false, "25h": false} {
		t.Setenv("CAREWIRE_OIDC_KEYS_MAX_AGE", value)
		c, err := FromEnvironment()
		require.NoError(t, err)
		c.Demo = true
		if ok {
			require.NoError(t, c.Validate(), value)
		} else {
			require.ErrorContains(t, c.Validate(), "CAREWIRE_OIDC_KEYS_MAX_AGE", value)
		}
	}
}

func TestValidate_NamesTheInvalidSettingsOfTheAuditTrail(t *testing.T) {
	t.Setenv("CAREWIRE_AUDIT_CLIENT_ADDRESS", "half")
	t.Setenv("CAREWIRE_AUDIT_CLIENT_RETENTION", "1h")
	c, err := FromEnvironment()
	require.NoError(t, err)
	err = c.Validate()
	require.ErrorContains(t, err, `CAREWIRE_AUDIT_CLIENT_ADDRESS: unknown value "half"; want one of full, prefix, off`)
	require.ErrorContains(t, err, "CAREWIRE_AUDIT_CLIENT_RETENTION: must be 0 (for ever) or at least 24h0m0s")
	t.Setenv("CAREWIRE_AUDIT_CLIENT_ADDRESS", "prefix")
	t.Setenv("CAREWIRE_AUDIT_CLIENT_RETENTION", "0")
	c, err = FromEnvironment()
	require.NoError(t, err)
	require.NotContains(t, c.Validate().Error(), "CAREWIRE_AUDIT")
}

func TestValidate_NamesTheInvalidSettingsOfTextMessages(t *testing.T) {
	for _, c := range []struct {
		settings map[string]string
		want     []string
	}{
		{map[string]string{"CAREWIRE_SMS_ORIGINATION": "+12015550123", "CAREWIRE_SMS_CONFIGURATION_SET": "receipts", "CAREWIRE_SMS_MAX_PRICE": "0.25"}, nil},
		{map[string]string{"CAREWIRE_SMS_ORIGINATION": "CLINIC"}, nil},
		{map[string]string{"CAREWIRE_SMS_ORIGINATION": "arn:aws:sms-voice:eu-central-1:111122223333:pool/pool-1"}, nil},
		{map[string]string{"CAREWIRE_SMS_ORIGINATION": "+1 201 555"}, []string{"CAREWIRE_SMS_ORIGINATION: invalid identity"}},
		{map[string]string{"CAREWIRE_SMS_MAX_PRICE": "0.25", "CAREWIRE_SMS_CONFIGURATION_SET": "receipts"}, []string{
			"CAREWIRE_SMS_MAX_PRICE: needs CAREWIRE_SMS_ORIGINATION", "CAREWIRE_SMS_CONFIGURATION_SET: needs CAREWIRE_SMS_ORIGINATION",
		}},
		{map[string]string{"CAREWIRE_SMS_ORIGINATION": "CLINIC", "CAREWIRE_SMS_MAX_PRICE": "25 cents", "CAREWIRE_SMS_MAX_RATE": "-1"}, []string{
			"CAREWIRE_SMS_MAX_PRICE: invalid price", "CAREWIRE_SMS_MAX_RATE: must be",
		}},
		{map[string]string{"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID": "106540352242922", "CAREWIRE_WHATSAPP_TOKEN": "EAAJ"}, nil},
		{map[string]string{"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID": "106540352242922"}, []string{"CAREWIRE_WHATSAPP_TOKEN: required with"}},
		{map[string]string{"CAREWIRE_WHATSAPP_TOKEN": "EAAJ"}, []string{"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID: required with"}},
		{map[string]string{
			"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID": "+12015550123", "CAREWIRE_WHATSAPP_TOKEN": "two words", "CAREWIRE_WHATSAPP_VERSION": "23",
			"CAREWIRE_WHATSAPP_ENDPOINT": "http://graph.example.org", "CAREWIRE_WHATSAPP_MAX_RATE": "NaN",
		}, []string{
			"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID: invalid ID", "CAREWIRE_WHATSAPP_TOKEN: must be one word", "CAREWIRE_WHATSAPP_VERSION: invalid version",
			"CAREWIRE_WHATSAPP_ENDPOINT: must be https", "CAREWIRE_WHATSAPP_MAX_RATE: must be",
		}},
	} {
		t.Run("", func(t *testing.T) {
			for name, value := range c.settings {
				t.Setenv(name, value)
			}
			cfg, err := FromEnvironment()
			require.NoError(t, err)
			cfg.Demo = true
			err = cfg.Validate()
			if len(c.want) == 0 {
				require.NoError(t, err)
			}
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			if token := c.settings["CAREWIRE_WHATSAPP_TOKEN"]; err != nil && token != "" {
				require.NotContains(t, err.Error(), token)
			}
		})
	}
}
