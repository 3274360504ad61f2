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
	"carewire/internal/httpapi"
	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/push"
	"carewire/internal/postgres"
	"carewire/internal/sandbox"
)

// providers are the channels that are configured, each with its providers.
type providers struct {
	channels map[string][]*notify.Provider
	// sandbox stands in for the providers in demo mode; nil otherwise. address is where its stand-ins listen.
	sandbox *sandbox.Sandbox
	address string
	pool    *pgxpool.Pool
}

// channel is a way to reach a person that this binary can serve.
type channel struct {
	care.Channel
	// provider names the provider in metrics and logs; empty means as the channel.
	provider string
	// maxRate is how many messages a second the settings allow this instance; nil means as many as the provider takes.
	maxRate func(cfg config.Config) float64
	// sandboxed says that the sandbox stands in for the provider in demo mode. One that it does not is not served there: a
	// demo calls no provider.
	sandboxed bool
	// configured reports whether the settings name a provider.
	configured func(cfg config.Config) bool
	// open makes the provider's client; in demo mode for the stand-in.
	open func(ctx context.Context, cfg config.Config, demo *standIn) (sender, error)
}

// sender is a Notifier with connections to close.
type sender interface {
	notify.Notifier
	Close()
}

// standIn is where the sandbox speaks the providers' protocols; nil outside of demo mode.
type standIn struct {
	sandbox *sandbox.Sandbox
	url     string
}

// channels are all that this binary can serve: a channel is one entry here.
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
}

// builtin returns the built-in channel of that name.
func builtin(name string) care.Channel {
	c, _ := care.BuiltinChannels.Lookup(name)
	return c
}

// knownChannels returns the table of channels: the built-in ones, of which some have no provider yet, and those that are
// registered here. Rules, preferences, templates, queues and metrics read it.
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

// configured returns the channels that have a provider.
func (p *providers) configured() care.Channels {
	return knownChannels().Named(slices.Collect(maps.Keys(p.channels))...)
}

// listenerName is the application name of the connection that every instance holds as long as it lives. In demo mode the
// sandbox's address follows: PostgreSQL's list of connections tells the instances of each other's sandboxes, and forgets
// one that died.
const listenerName = "carewire-listen "

// openProviders makes the clients. In demo mode they are the same, but for endpoint and credentials: those of the
// sandbox, which listens on a loopback port of its own.
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
		s.group.onStop(back, c.Name, closing(client.Close))
		provider, err := s.newProvider(c, client)
		if err != nil {
			return nil, err
		}
		p.channels[c.Name] = []*notify.Provider{provider}
	}
	return p, nil
}

// newProvider puts the channel's circuit breaker and rate limiter before the client.
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
		return nil, fmt.Errorf("make the sandbox's credentials: %w", err)
	}
	return push.New(ctx, push.Config{ProjectID: "carewire-demo", Endpoint: demo.url, CredentialsJSON: credentials})
}

// openSandbox serves the stand-ins on a loopback port of their own, so that nobody reaches them through the API's
// address.
func (s *Service) openSandbox(ctx context.Context, p *providers) (url string, err error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve the sandbox: %w", err)
	}
	p.sandbox, p.address = sandbox.New(), listener.Addr().String()
	p.sandbox.Join(func(ctx context.Context) []string {
		return slices.DeleteFunc(p.sandboxes(ctx), func(address string) bool { return address == p.address })
	})
	s.serve(back, "sandbox", &http.Server{
		Handler:           httpapi.WithBodies(p.sandbox.Providers(), 10<<20, 0), // The largest email that its SES takes.
		ReadHeaderTimeout: 5 * time.Second,
	}, listener)
	return "http://" + p.address, nil
}

// sandboxes are the addresses of the sandboxes of all instances on this database and this machine. While the database
// does not answer there are none.
func (p *providers) sandboxes(ctx context.Context) []string {
	names, err := postgres.ConnectionNames(ctx, p.pool, listenerName)
	if err != nil {
		return nil
	}
	var found []string
	for _, name := range names {
		// Whoever may connect may choose such a name, so it must not lead elsewhere.
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
