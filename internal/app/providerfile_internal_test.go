package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/config"
	"carewire/internal/logtest"
	"carewire/internal/notify"
	"carewire/internal/sandbox"
)

const (
	twoEmailProviders = `email:
  - {name: ses, kind: ses, from: clinic@example.org, region: eu-central-1, maxRate: 14}
  - {name: mail, kind: smtp, from: clinic@example.org, host: mail.example.org, username: {env: TEST_MAIL_USER}, password: {env: TEST_MAIL_PASSWORD}}
`
	oneTwilioProvider = `sms:
  - {name: twilio, kind: twilio, accountSid: AC0123456789abcdef0123456789abcdef, from: "+15550100001", secret: {env: TEST_TWILIO_SECRET}}
`
)

// withFile returns settings with the file of providers.
func withFile(t *testing.T, text string, change ...func(cfg *config.Config)) config.Config {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	cfg := config.Config{Addr: "127.0.0.1:0", BaseURL: "https://clinic.example", Providers: filepath.Join(t.TempDir(), "providers.yaml")}
	require.NoError(t, os.WriteFile(cfg.Providers, []byte(text), 0o600))
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// openFile opens the providers of the settings, as a start does, and returns the log.
func openFile(t *testing.T, cfg config.Config) (*providers, string, error) {
	t.Helper()
	var log logtest.Buffer
	s := &Service{cfg: cfg, logger: slog.New(slog.NewTextHandler(&log, nil)), lifecycle: newLifecycle(silent), db: &database{}}
	t.Cleanup(func() { s.lifecycle.stopAll(cfg.ShutdownTimeout) })
	p, err := s.openProviders(t.Context())
	return p, log.String(), err
}

func names(providers []*notify.Provider) (all []string) {
	for _, p := range providers {
		all = append(all, p.Stats().Name)
	}
	return all
}

func TestProviders_OfAFileAreOpenedBesideThoseOfTheSettings(t *testing.T) {
	t.Setenv("TEST_MAIL_USER", "carewire")
	t.Setenv("TEST_MAIL_PASSWORD", "secret-password")
	cfg := withFile(t, twoEmailProviders, func(cfg *config.Config) {
		cfg.WhatsAppPhoneNumberID, cfg.WhatsAppToken, cfg.WhatsAppMaxRate = "106540352242922", "secret-token", 5
	})
	p, log, err := openFile(t, cfg)
	require.NoError(t, err)
	require.Len(t, p.channels, 2)
	require.Equal(t, []string{"ses", "mail"}, names(p.channels[notify.Email]))
	require.InDelta(t, 14, p.channels[notify.Email][0].Stats().Rate, 0)
	require.Equal(t, []string{"whatsapp"}, names(p.channels[notify.WhatsApp]))
	require.Empty(t, log)
	configured, err := listedChannels(cfg)
	require.NoError(t, err)
	require.Equal(t, []string{notify.Email, notify.WhatsApp}, configured.Names())
}

func TestProviders_OfAFileThatCannotBeUsedAreReportedTogether(t *testing.T) {
	cfg := withFile(t, twoEmailProviders+`  - {name: local, kind: smtp, from: clinic@example.org, host: mail.example.org, username: {file: /nonexistent/user}, password: {env: TEST_MAIL_PASSWORD}}
push:
  - {name: fcm, kind: fcm, project: clinic-1a2b3, credentials: {env: TEST_FCM}}
`+oneTwilioProvider)
	t.Setenv("TEST_FCM", `{"private_key": "secret-key`)
	t.Setenv("TEST_TWILIO_SECRET", "secret secret")
	_, _, err := openFile(t, cfg)
	require.Error(t, err)
	for _, want := range []string{
		"CAREWIRE_PROVIDERS: " + cfg.Providers + ":\n",
		"line 3: email[1].password: env TEST_MAIL_PASSWORD is empty; set it to the credential", "line 3: email[1].username: env TEST_MAIL_USER is empty",
		`line 4: email[2].username: cannot read the file "/nonexistent/user"; want`, "line 4: email[2].password: env",
		"line 6: push[0]: credentials: want the JSON key file of a service account", "line 8: sms[0]: twilio: Secret must be",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "secret-")
	require.NotContains(t, err.Error(), "secret secret")
	require.Len(t, strings.Split(err.Error(), "\n"), 7)

	_, _, err = openFile(t, withFile(t, "email: []\nfax: []\n"))
	require.ErrorContains(t, err, "line 1: email: is empty")
	require.ErrorContains(t, err, "line 2: fax: unknown channel")
	cfg.Providers += "x"
	_, _, err = openFile(t, cfg)
	require.ErrorContains(t, err, "CAREWIRE_PROVIDERS: open ")
}

// A start reports them beside the errors of the settings, before it opens anything.
func TestStart_ReportsTheErrorsOfTheFileOfProviders(t *testing.T) {
	cfg := withFile(t, "email: [{name: ses, kind: ses}]\n", func(cfg *config.Config) { cfg.LogLevel = "loud" })
	_, err := Start(t.Context(), cfg, silent)
	require.ErrorContains(t, err, "CAREWIRE_LOG_LEVEL: unknown level")
	require.ErrorContains(t, err, "line 1: email[0].from: required for the kind ses; want the sender's address")
}

func TestProviders_OfAFileConflictWithEachSettingThatTheyReplace(t *testing.T) {
	for setting, c := range map[string]struct {
		file   string
		change func(cfg *config.Config)
	}{
		"email: CAREWIRE_EMAIL_FROM":                  {twoEmailProviders, func(cfg *config.Config) { cfg.EmailFrom = "clinic@example.org" }},
		"email: CAREWIRE_EMAIL_MAX_RATE":              {twoEmailProviders, func(cfg *config.Config) { cfg.EmailMaxRate = 7 }},
		"email: CAREWIRE_SES_CONFIGURATION_SET":       {twoEmailProviders, func(cfg *config.Config) { cfg.SESConfigurationSet = "x" }},
		"push: CAREWIRE_FCM_PROJECT":                  {pushFile, func(cfg *config.Config) { cfg.FCMProject = "x" }},
		"push: CAREWIRE_PUSH_MAX_RATE":                {pushFile, func(cfg *config.Config) { cfg.PushMaxRate = 7 }},
		"sms: CAREWIRE_SMS_ORIGINATION":               {oneTwilioProvider, func(cfg *config.Config) { cfg.SMSOrigination = "x" }},
		"sms: CAREWIRE_SMS_MAX_RATE":                  {oneTwilioProvider, func(cfg *config.Config) { cfg.SMSMaxRate = 7 }},
		"sms: CAREWIRE_SMS_CONFIGURATION_SET":         {oneTwilioProvider, func(cfg *config.Config) { cfg.SMSConfigurationSet = "x" }},
		"sms: CAREWIRE_SMS_MAX_PRICE":                 {oneTwilioProvider, func(cfg *config.Config) { cfg.SMSMaxPrice = "0.25" }},
		"whatsapp: CAREWIRE_WHATSAPP_PHONE_NUMBER_ID": {whatsAppFile, func(cfg *config.Config) { cfg.WhatsAppPhoneNumberID = "1" }},
		"whatsapp: CAREWIRE_WHATSAPP_TOKEN":           {whatsAppFile, func(cfg *config.Config) { cfg.WhatsAppToken = "x" }},
		"whatsapp: CAREWIRE_WHATSAPP_MAX_RATE":        {whatsAppFile, func(cfg *config.Config) { cfg.WhatsAppMaxRate = 7 }},
	} {
		cfg := withFile(t, c.file)
		_, err := readProviders(cfg)
		require.NoError(t, err)
		c.change(&cfg)
		_, err = readProviders(cfg)
		require.ErrorContains(t, err, "line 2: "+setting+" is set too; remove it, or the channel from the file")
	}
}

const (
	pushFile     = "push:\n  - {name: fcm, kind: fcm, project: clinic-1a2b3}\n"
	whatsAppFile = "whatsapp:\n  - {name: meta, kind: whatsapp, phoneNumberId: 106540352242922, token: {env: TEST_TOKEN}}\n"
)

func TestProviders_OfTwilioNeedTheTokenOfTheirAccountForReceipts(t *testing.T) {
	t.Setenv("TEST_TWILIO_SECRET", "token1")
	_, log, err := openFile(t, withFile(t, oneTwilioProvider))
	require.NoError(t, err)
	require.Contains(t, log, "provider twilio has no receipts: set CAREWIRE_TWILIO_AUTH_TOKEN")
	require.Empty(t, twilioCallback(config.Config{BaseURL: "https://clinic.example"}), "nobody would verify them")

	token := func(value string) func(cfg *config.Config) {
		return func(cfg *config.Config) { cfg.TwilioAuthToken = value }
	}
	_, log, err = openFile(t, withFile(t, oneTwilioProvider, token("token2")))
	require.NoError(t, err)
	require.Contains(t, log, "the secret of provider twilio is not CAREWIRE_TWILIO_AUTH_TOKEN")
	require.NotContains(t, log, "token1")
	require.NotContains(t, log, "token2")

	_, log, err = openFile(t, withFile(t, oneTwilioProvider, token("token1")))
	require.NoError(t, err)
	require.Empty(t, log)
	key := strings.Replace(oneTwilioProvider, "from:", "keySid: SK0123456789abcdef0123456789abcdef, from:", 1)
	_, log, err = openFile(t, withFile(t, key, token("token2")))
	require.NoError(t, err)
	require.Empty(t, log, "the secret of an API key is no auth token")

	two := oneTwilioProvider + strings.ReplaceAll(strings.TrimPrefix(oneTwilioProvider, "sms:\n"), "name: twilio, kind: twilio, accountSid: AC0", "name: second, kind: twilio, accountSid: AC1")
	_, _, err = openFile(t, withFile(t, two))
	require.NoError(t, err)
	_, _, err = openFile(t, withFile(t, two, token("token1")))
	require.ErrorContains(t, err, "line 3: sms[1].accountSid: a second account")
}

// The clients accept what the check of the file accepts.
func TestProviders_OfTheGuideCanBeOpened(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	require.NoError(t, err)
	example := regexp.MustCompile("(?s)## Providers\n.*?```yaml\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, example)
	account, err := sandbox.New().ServiceAccount("clinic-1a2b3", "http://127.0.0.1:1")
	require.NoError(t, err)
	t.Setenv("TEST_SECRET", "secret")
	t.Setenv("TEST_ACCOUNT", string(account))
	text := strings.Replace(string(example[1]), "{file: /run/secrets/firebase.json}", "{env: TEST_ACCOUNT}", 1)
	text = regexp.MustCompile(`\{(env|file): (/run/secrets/\w+|[A-Z]+_[A-Z_]*(NAME|ID))\}`).ReplaceAllString(text, "{env: TEST_SECRET}")
	cfg := withFile(t, text)
	p, _, err := openFile(t, cfg)
	require.NoError(t, err)
	require.Equal(t, []string{"ses-eu", "mail"}, names(p.channels[notify.Email]))
	require.Equal(t, []string{"aws", "twilio"}, names(p.channels[notify.SMS]))
	require.Equal(t, []string{"fcm", "meta"}, append(names(p.channels[notify.Push]), names(p.channels[notify.WhatsApp])...))

	uses, warnings, err := CheckProviders(t.Context(), cfg, []byte(text))
	require.NoError(t, err)
	require.Len(t, uses, 6)
	require.Equal(t, []string{"provider twilio has no receipts: set CAREWIRE_TWILIO_AUTH_TOKEN to the auth token of its account"}, warnings)
	for _, u := range uses {
		if u.Name == "aws" {
			require.InDelta(t, 0.75, u.Share, 1e-9)
			require.Equal(t, []string{"accessKeyId: env TEST_SECRET", "secretAccessKey: env TEST_SECRET"}, u.Credentials)
		}
	}
}
