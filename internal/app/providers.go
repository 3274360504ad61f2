package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/httpapi/body"
	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/push"
	"carewire/internal/notify/sms"
	"carewire/internal/notify/whatsapp"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/sandbox"
)

// providers are the configured channels with their providers.
type providers struct {
	channels map[string][]*notify.Provider
	// sandbox replaces the providers in demo mode; nil otherwise. address is where it listens.
	sandbox *sandbox.Sandbox
	address string
	pool    *pgxpool.Pool
}

// channel is a way to reach people that this binary supports.
type channel struct {
	care.Channel
	// provider is the provider's name in metrics and logs; it defaults to the name of the channel.
	provider string
	// maxRate returns the messages a second that the settings allow this instance; nil means as many
	// as the provider accepts.
	maxRate func(cfg config.Config) float64
	// sandboxed is true if the sandbox replaces the provider in demo mode. Other channels are disabled
	// there: a demo calls no provider.
	sandboxed bool
	// configured reports whether the settings name a provider.
	configured func(cfg config.Config) bool
	// open returns a client of the provider, or of the sandbox in demo mode.
	open func(ctx context.Context, cfg config.Config, demo *standIn) (sender, error)
}

// sender is a Notifier with connections to close.
type sender interface {
	notify.Notifier
	Close()
}

// standIn is the sandbox and the URL at which it speaks the providers' protocols; nil outside demo
// mode.
type standIn struct {
	sandbox *sandbox.Sandbox
	url     string
}

// channels are all channels that this binary supports. To add a channel, add an entry here.
var channels = []channel{
	{
		Channel: builtin(notify.Email), provider: "ses", sandboxed: true, open: openEmail,
		configured: func(cfg config.Config) bool { return cfg.EmailFrom != "" },
		maxRate:    func(cfg config.Config) float64 { return cfg.EmailMaxRate },
	},
	{
		Channel: builtin(notify.Push), provider: "fcm", sandboxed: true, open: openPush,
		configured: func(cfg config.Config) bool { return cfg.FCMProject != "" },
		maxRate:    func(cfg config.Config) float64 { return cfg.PushMaxRate },
	},
	{
		Channel: builtin(notify.SMS), provider: "aws-sms", sandboxed: true, open: openSMS,
		configured: func(cfg config.Config) bool { return cfg.SMSOrigination != "" },
		maxRate:    func(cfg config.Config) float64 { return cfg.SMSMaxRate },
	},
	{
		Channel: builtin(notify.WhatsApp), provider: "whatsapp", sandboxed: true, open: openWhatsApp,
		configured: func(cfg config.Config) bool { return cfg.WhatsAppPhoneNumberID != "" },
		maxRate:    func(cfg config.Config) float64 { return cfg.WhatsAppMaxRate },
	},
}

// builtin returns the built-in channel of that name.
func builtin(name string) care.Channel {
	c, _ := care.BuiltinChannels.Lookup(name)
	return c
}

// knownChannels returns the table of channels: the built-in ones, of which some have no provider
// yet, and those that are registered here. Rules, preferences, templates, queues and metrics read
// it.
func knownChannels() care.Channels {
	known := care.BuiltinChannels
	for _, c := range channels {
		known = known.With(c.Channel)
	}
	return known
}

// channelsThat returns the registered channels that satisfy the condition.
func channelsThat(satisfy func(c channel) bool) care.Channels {
	var found care.Channels
	for _, c := range channels {
		if satisfy(c) {
			found = append(found, c.Channel)
		}
	}
	return found
}

// configured returns the channels that have a provider, and inapp, which needs none.
func (p *providers) configured() care.Channels {
	return knownChannels().Named(append(slices.Collect(maps.Keys(p.channels)), care.ChannelInApp)...)
}

// maxSandboxEmail is the size in bytes of the largest request that the sandbox's SES accepts.
const maxSandboxEmail = 10 << 20

// listenerName is the application name of the connection that every instance holds for as long as
// it runs. In demo mode it is followed by the sandbox's address: instances find each other's
// sandboxes in PostgreSQL's list of connections, from which an instance that died disappears.
const listenerName = "carewire-listen "

// openProviders creates the clients. In demo mode only endpoint and credentials differ: those of
// the sandbox, which listens on a loopback port.
func (s *Service) openProviders(ctx context.Context) (*providers, error) {
	p := &providers{channels: map[string][]*notify.Provider{}, pool: s.db.probe}
	var demo *standIn
	if s.cfg.Demo {
		url, err := s.openSandbox(ctx, p)
		if err != nil {
			return nil, err
		}
		demo = &standIn{sandbox: p.sandbox, url: url}
	}
	for _, c := range channels {
		if (demo != nil && !c.sandboxed) || (demo == nil && !c.configured(s.cfg)) {
			continue
		}
		client, err := c.open(ctx, s.cfg, demo)
		if err != nil {
			return nil, fmt.Errorf("open the channel %s: %w", c.Name, err)
		}
		s.lifecycle.onStop(back, c.Name, closing(client.Close))
		provider, err := s.newProvider(c, client)
		if err != nil {
			return nil, err
		}
		p.channels[c.Name] = []*notify.Provider{provider}
	}
	if demo != nil {
		if s.cfg.Providers != "" {
			s.logger.WarnContext(ctx, "setting ignored", "reason", "CAREWIRE_PROVIDERS has no effect in demo mode, which calls no provider")
		}
		return p, s.addDemoProvider(ctx, p, demo)
	}
	return p, s.openListed(ctx, p)
}

// newProvider wraps the client with the channel's circuit breaker and rate limiter.
func (s *Service) newProvider(c channel, client notify.Notifier) (*notify.Provider, error) {
	cfg := notify.ProviderConfig{Name: cmp.Or(c.provider, c.Name), Notifier: client, Logger: s.logger}
	if c.maxRate != nil {
		cfg.MaxRate = c.maxRate(s.cfg)
	}
	return notify.NewProvider(cfg)
}

func openEmail(ctx context.Context, cfg config.Config, demo *standIn) (sender, error) {
	if demo != nil {
		return email.New(ctx, email.Config{From: "carewire@demo.example", Region: "us-east-1", Endpoint: demo.url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox"})
	}
	return email.New(ctx, email.Config{From: cfg.EmailFrom, ConfigurationSet: cfg.SESConfigurationSet})
}

func openPush(ctx context.Context, cfg config.Config, demo *standIn) (sender, error) {
	if demo == nil {
		return push.New(ctx, push.Config{ProjectID: cfg.FCMProject})
	}
	credentials, err := demo.sandbox.ServiceAccount("carewire-demo", demo.url)
	if err != nil {
		return nil, fmt.Errorf("create the sandbox's credentials: %w", err)
	}
	return push.New(ctx, push.Config{ProjectID: "carewire-demo", Endpoint: demo.url, CredentialsJSON: credentials})
}

func openSMS(ctx context.Context, cfg config.Config, demo *standIn) (sender, error) {
	if demo != nil {
		return sms.New(ctx, sms.Config{Origination: "+491713920000", Region: "us-east-1", Endpoint: demo.url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox"})
	}
	return sms.New(ctx, sms.Config{Origination: cfg.SMSOrigination, ConfigurationSet: cfg.SMSConfigurationSet, MaxPrice: cfg.SMSMaxPrice})
}

func openWhatsApp(_ context.Context, cfg config.Config, demo *standIn) (sender, error) {
	if demo != nil {
		return whatsapp.New(whatsapp.Config{PhoneNumberID: "106540352242922", Token: "sandbox", Endpoint: demo.url})
	}
	return whatsapp.New(whatsapp.Config{
		PhoneNumberID: cfg.WhatsAppPhoneNumberID, Token: cfg.WhatsAppToken, Version: cfg.WhatsAppVersion, Endpoint: cfg.WhatsAppEndpoint,
	})
}

// openSandbox serves the sandbox's provider endpoints on a separate loopback port, so that they are
// not reachable at the API's address.
func (s *Service) openSandbox(ctx context.Context, p *providers) (url string, err error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve the sandbox: %w", err)
	}
	p.sandbox, p.address = sandbox.New(), listener.Addr().String()
	p.sandbox.Clock(s.advanceClock)
	p.sandbox.Join(func(ctx context.Context) []string {
		return slices.DeleteFunc(p.sandboxes(ctx), func(address string) bool { return address == p.address })
	})
	s.serve(back, "sandbox", &http.Server{
		Handler:           body.Buffered(p.sandbox.Providers(), maxSandboxEmail, 0),
		ReadHeaderTimeout: readHeaderTimeout,
	}, listener)
	p.sandbox.PostReceiptsTo(s.URL, s.cfg.BaseURL, "http://"+p.address)
	return "http://" + p.address, nil
}

// advanceClock moves the clock of what is due later, and returns its time.
func (s *Service) advanceClock(ctx context.Context, by time.Duration) (time.Time, error) {
	queries := db.New(s.db.worker)
	if by == 0 {
		return queries.DueNow(ctx)
	}
	moved, err := queries.DueClockMove(ctx, by.Seconds())
	return moved.DueNow, err
}

// sandboxes returns the addresses of the sandboxes of all instances that use this database on this
// machine. It returns none if the database does not respond.
func (p *providers) sandboxes(ctx context.Context) []string {
	names, err := postgres.ConnectionNames(ctx, p.pool, listenerName)
	if err != nil {
		return nil
	}
	var found []string
	for _, name := range names {
		// Any client of the database can choose such a name, so only loopback addresses are accepted.
		if at, err := netip.ParseAddrPort(strings.TrimPrefix(name, listenerName)); err == nil && at.Addr().IsLoopback() {
			found = append(found, at.String())
		}
	}
	return found
}

func closing(fn func()) func(context.Context) error {
	return func(context.Context) error {
		fn()
		return nil
	}
}
