package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

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

// ListProviders returns the providers that the file of CAREWIRE_PROVIDERS lists, by channel, or
// every error in it. Without the setting it returns none.
func ListProviders(cfg config.Config) (map[string][]providerfile.Provider, error) {
	if cfg.Providers == "" {
		return nil, nil
	}
	src, err := os.ReadFile(cfg.Providers)
	if err != nil {
		return nil, fmt.Errorf("CAREWIRE_PROVIDERS: %w", err)
	}
	all, err := providerfile.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("CAREWIRE_PROVIDERS: %s:\n%w", cfg.Providers, err)
	}
	for _, c := range channels {
		if len(all[c.Name]) > 0 && c.configured(cfg) {
			return nil, fmt.Errorf("CAREWIRE_PROVIDERS: %s: channel %s is configured by its own settings too; remove one of them", cfg.Providers, c.Name)
		}
	}
	return all, nil
}

// openListed opens the providers of the file.
func (s *Service) openListed(ctx context.Context, p *providers) error {
	all, err := ListProviders(s.cfg)
	if err != nil {
		return err
	}
	for _, channel := range slices.Sorted(maps.Keys(all)) {
		for _, listed := range all[channel] {
			client, err := openProvider(ctx, s.cfg, listed)
			if err != nil {
				return fmt.Errorf("CAREWIRE_PROVIDERS: line %d: provider %s: %w", listed.Line, listed.Name, err)
			}
			s.lifecycle.onStop(back, channel+" "+listed.Name, closing(client.Close))
			provider, err := notify.NewProvider(notify.ProviderConfig{
				Name: listed.Name, Notifier: client, Logger: s.logger, MaxRate: listed.MaxRate, Order: listed.Order, Weight: listed.Weight,
			})
			if err != nil {
				return err
			}
			p.channels[channel] = append(p.channels[channel], provider)
		}
	}
	return nil
}

// openProvider returns the client of a listed provider.
func openProvider(ctx context.Context, cfg config.Config, p providerfile.Provider) (sender, error) {
	secrets := map[string]string{}
	for key, reference := range p.Secrets {
		value, err := reference.Read()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		secrets[key] = value
	}
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
		return push.New(ctx, push.Config{ProjectID: v["project"], Endpoint: v["endpoint"], CredentialsJSON: []byte(secrets["credentials"])})
	case "aws-sms":
		return sms.New(ctx, sms.Config{
			Origination: v["origination"], Region: v["region"], Endpoint: v["endpoint"], ConfigurationSet: v["configurationSet"], MaxPrice: v["maxPrice"],
			AccessKeyID: secrets["accessKeyId"], SecretAccessKey: secrets["secretAccessKey"],
		})
	case "twilio":
		return twilio.New(twilio.Config{
			AccountSID: v["accountSid"], KeySID: v["keySid"], Secret: secrets["secret"], From: v["from"], Endpoint: v["endpoint"],
			StatusCallback: cfg.BaseURL + "/webhooks/twilio",
		})
	case "whatsapp":
		return whatsapp.New(whatsapp.Config{PhoneNumberID: v["phoneNumberId"], Token: secrets["token"], Version: v["version"], Endpoint: v["endpoint"]})
	}
	return nil, fmt.Errorf("unknown kind %q", p.Kind)
}

// listedChannels returns the channels of the file of CAREWIRE_PROVIDERS, and those that
// the settings configure.
func listedChannels(cfg config.Config) (care.Channels, error) {
	all, err := ListProviders(cfg)
	if err != nil {
		return nil, err
	}
	return channelsThat(func(c channel) bool { return c.configured(cfg) || len(all[c.Name]) > 0 }), nil
}
