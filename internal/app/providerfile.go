package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/config/providerfile"
	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/push"
	"carewire/internal/notify/sms"
	"carewire/internal/notify/smtp"
	"carewire/internal/notify/twilio"
	"carewire/internal/notify/whatsapp"
)

// addDemoProvider adds the demo's second email provider, to which traffic moves on when a fault of
// the sandbox stops the first.
func (s *Service) addDemoProvider(ctx context.Context, p *providers, demo *standIn) error {
	client, err := email.New(ctx, email.Config{From: "carewire@demo.example", Region: "eu-central-1", Endpoint: demo.url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox"})
	if err != nil {
		return fmt.Errorf("open the channel email: %w", err)
	}
	s.lifecycle.onStop(back, "ses-eu", closing(client.Close))
	provider, err := notify.NewProvider(notify.ProviderConfig{Name: "ses-eu", Notifier: client, Logger: s.logger})
	if err != nil {
		return err
	}
	p.channels[notify.Email] = append(p.channels[notify.Email], provider)
	return nil
}

// listed are the providers of a file, by channel.
type listed map[string][]providerfile.Provider

// readProviders returns the providers of the file of CAREWIRE_PROVIDERS, or every error in it.
// Without the setting it returns none.
func readProviders(cfg config.Config) (listed, error) {
	if cfg.Providers == "" {
		return nil, nil
	}
	src, err := os.ReadFile(cfg.Providers)
	if err != nil {
		return nil, fmt.Errorf("CAREWIRE_PROVIDERS: %w", err)
	}
	all, err := parseProviders(cfg, src)
	if err != nil {
		return nil, inProviders(cfg.Providers, err)
	}
	return all, nil
}

// inProviders returns the errors of the file with its name.
func inProviders(file string, err error) error {
	return fmt.Errorf("CAREWIRE_PROVIDERS: %s:\n%w", file, err)
}

// parseProviders returns the providers of a file, or every error in it and in settings that do not
// fit it.
func parseProviders(cfg config.Config, src []byte) (listed, error) {
	all, err := providerfile.Parse(src)
	if err != nil {
		return nil, err
	}
	var errs []*providerfile.Error
	for channel, providers := range all {
		for _, setting := range replacedSettings(cfg, channel) {
			errs = append(errs, &providerfile.Error{
				Line: providers[0].Line, Field: channel,
				Message: fmt.Sprintf("%s is set too; remove it, or the channel from the file", setting),
			})
		}
	}
	errs = append(errs, checkTwilioAccounts(cfg, all[notify.SMS])...)
	if len(errs) > 0 {
		return nil, providerfile.Join(errs)
	}
	return all, nil
}

// replacedSettings returns the settings that are set although the file has the channel: it
// replaces them.
func replacedSettings(cfg config.Config, channel string) []string {
	var set []string
	for _, s := range map[string][]struct {
		name string
		set  bool
	}{
		notify.Email: {
			{"CAREWIRE_EMAIL_FROM", cfg.EmailFrom != ""},
			{"CAREWIRE_EMAIL_MAX_RATE", cfg.EmailMaxRate != 0},
			{"CAREWIRE_SES_CONFIGURATION_SET", cfg.SESConfigurationSet != ""},
		},
		notify.Push: {{"CAREWIRE_FCM_PROJECT", cfg.FCMProject != ""}, {"CAREWIRE_PUSH_MAX_RATE", cfg.PushMaxRate != 0}},
		notify.SMS: {
			{"CAREWIRE_SMS_ORIGINATION", cfg.SMSOrigination != ""},
			{"CAREWIRE_SMS_MAX_RATE", cfg.SMSMaxRate != 0},
			{"CAREWIRE_SMS_CONFIGURATION_SET", cfg.SMSConfigurationSet != ""},
			{"CAREWIRE_SMS_MAX_PRICE", cfg.SMSMaxPrice != ""},
		},
		notify.WhatsApp: {
			{"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID", cfg.WhatsAppPhoneNumberID != ""},
			{"CAREWIRE_WHATSAPP_MAX_RATE", cfg.WhatsAppMaxRate != 0},
			{"CAREWIRE_WHATSAPP_TOKEN", cfg.WhatsAppToken != ""}, // The version and the URL have defaults.
		},
	}[channel] {
		if s.set {
			set = append(set, s.name)
		}
	}
	return set
}

// checkTwilioAccounts returns an error for each provider whose account differs from that of the
// first: CAREWIRE_TWILIO_AUTH_TOKEN verifies the receipts of one account.
func checkTwilioAccounts(cfg config.Config, all []providerfile.Provider) (errs []*providerfile.Error) {
	account := ""
	for _, p := range all {
		sid := p.Settings["accountSid"]
		if account = cmp.Or(account, sid); cfg.TwilioAuthToken != "" && sid != "" && sid != account {
			errs = append(errs, p.Errorf("accountSid",
				"a second account, but CAREWIRE_TWILIO_AUTH_TOKEN verifies the receipts of one; use one account, or remove the setting to have no receipts"))
		}
	}
	return errs
}

// client is a listed provider with its client.
type client struct {
	providerfile.Provider
	sender sender
}

// openClients opens the clients of all listed providers, by channel and in the order of the file. It
// returns every error; then no client is open. It calls no provider.
func openClients(ctx context.Context, cfg config.Config, all listed) ([]client, error) {
	var opened []client
	var errs []*providerfile.Error
	for _, channel := range slices.Sorted(maps.Keys(all)) {
		for _, p := range all[channel] {
			secrets, failed := readSecrets(p)
			if len(failed) > 0 {
				errs = append(errs, failed...)
				continue
			}
			sender, err := openClient(ctx, cfg, p, secrets)
			if err != nil {
				errs = append(errs, p.Errorf("", "%s", strings.ReplaceAll(err.Error(), "\n", "; ")))
				continue
			}
			opened = append(opened, client{p, sender})
		}
	}
	if len(errs) > 0 {
		closeClients(opened)
		return nil, providerfile.Join(errs)
	}
	return opened, nil
}

func closeClients(all []client) {
	for _, c := range all {
		c.sender.Close()
	}
}

// readSecrets returns the provider's credentials by key, or the error of each that cannot be read.
func readSecrets(p providerfile.Provider) (secrets map[string]string, errs []*providerfile.Error) {
	secrets = map[string]string{}
	for key, reference := range p.Secrets {
		value, err := reference.Read()
		if err != nil {
			errs = append(errs, p.Errorf(key, "%v", err))
			continue
		}
		secrets[key] = value
	}
	return secrets, errs
}

// openClient returns the client of a listed provider. Its errors contain no credential.
func openClient(ctx context.Context, cfg config.Config, p providerfile.Provider, secrets map[string]string) (sender, error) {
	v := p.Settings
	switch p.Kind {
	case "ses":
		return email.New(ctx, email.Config{
			From: v["from"], Region: v["region"], Endpoint: v["endpoint"], ConfigurationSet: v["configurationSet"],
			AccessKeyID: secrets["accessKeyId"], SecretAccessKey: secrets["secretAccessKey"],
		})
	case "smtp":
		port, err := strconv.Atoi(cmp.Or(v["port"], "0"))
		if err != nil {
			return nil, err
		}
		return smtp.New(smtp.Config{
			From: v["from"], Host: v["host"], Port: port, TLS: smtp.TLS(v["tls"]), Username: secrets["username"], Password: secrets["password"],
		})
	case "fcm":
		return openListedPush(ctx, v, secrets["credentials"])
	case "aws-sms":
		return sms.New(ctx, sms.Config{
			Origination: v["origination"], Region: v["region"], Endpoint: v["endpoint"], ConfigurationSet: v["configurationSet"], MaxPrice: v["maxPrice"],
			AccessKeyID: secrets["accessKeyId"], SecretAccessKey: secrets["secretAccessKey"],
		})
	case "twilio":
		return twilio.New(twilio.Config{
			AccountSID: v["accountSid"], KeySID: v["keySid"], Secret: secrets["secret"], From: v["from"], Endpoint: v["endpoint"],
			StatusCallback: twilioCallback(cfg),
		})
	case "whatsapp":
		return whatsapp.New(whatsapp.Config{PhoneNumberID: v["phoneNumberId"], Token: secrets["token"], Version: v["version"], Endpoint: v["endpoint"]})
	}
	return nil, fmt.Errorf("unknown kind %q", p.Kind)
}

// openListedPush hides the error of a key file, which may repeat a part of it.
func openListedPush(ctx context.Context, settings map[string]string, credentials string) (sender, error) {
	s, err := push.New(ctx, push.Config{ProjectID: settings["project"], Endpoint: settings["endpoint"], CredentialsJSON: []byte(credentials)})
	if err != nil && credentials != "" {
		return nil, errors.New("credentials: want the JSON key file of a service account")
	}
	return s, err
}

// twilioCallback returns the URL for the receipts of Twilio. Without the token that verifies them,
// the webhook does not exist, and Twilio is asked for none.
func twilioCallback(cfg config.Config) string {
	if cfg.TwilioAuthToken == "" {
		return ""
	}
	return cfg.BaseURL + "/webhooks/twilio"
}

// providerWarnings returns the combinations of listed providers and settings under which messages
// are sent, but their receipts are lost.
func providerWarnings(cfg config.Config, all listed) (warnings []string) {
	for _, p := range all[notify.SMS] {
		if p.Kind != "twilio" {
			continue
		}
		secret, err := p.Secrets["secret"].Read()
		switch {
		case cfg.TwilioAuthToken == "":
			warnings = append(warnings, fmt.Sprintf("provider %s has no receipts: set CAREWIRE_TWILIO_AUTH_TOKEN to the auth token of its account", p.Name))
		case p.Settings["keySid"] == "" && err == nil && secret != cfg.TwilioAuthToken:
			// Not an error: while tokens are rotated, requests can have the secondary one, and Twilio still
			// signs with the primary one.
			warnings = append(warnings, fmt.Sprintf("the secret of provider %s is not CAREWIRE_TWILIO_AUTH_TOKEN: its receipts are refused unless the setting is the primary auth token of its account", p.Name))
		}
	}
	return warnings
}

// openListed opens the providers of the file.
func (s *Service) openListed(ctx context.Context, p *providers) error {
	all, err := readProviders(s.cfg)
	if err != nil {
		return err
	}
	opened, err := openClients(ctx, s.cfg, all)
	if err != nil {
		return inProviders(s.cfg.Providers, err)
	}
	for _, warning := range providerWarnings(s.cfg, all) {
		s.logger.WarnContext(ctx, "receipts of a provider are lost", "reason", warning)
	}
	for _, c := range opened {
		s.lifecycle.onStop(back, c.Channel+" "+c.Name, closing(c.sender.Close))
		provider, err := notify.NewProvider(notify.ProviderConfig{
			Name: c.Name, Notifier: c.sender, Logger: s.logger, MaxRate: c.MaxRate, Order: c.Order, Weight: c.Weight,
		})
		if err != nil {
			return err
		}
		p.channels[c.Channel] = append(p.channels[c.Channel], provider)
	}
	return nil
}

// listedChannels returns the channels of the file of CAREWIRE_PROVIDERS, and those that the settings
// configure.
func listedChannels(cfg config.Config) (care.Channels, error) {
	all, err := readProviders(cfg)
	if err != nil {
		return nil, err
	}
	return channelsThat(func(c channel) bool { return c.configured(cfg) || len(all[c.Name]) > 0 }), nil
}
