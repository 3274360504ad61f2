package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/push"
	"carewire/internal/sandbox"
)

// providers are the channels that are configured, each with its provider's client.
type providers struct {
	channels map[string]notify.Notifier
	// sandbox stands in for the providers in demo mode; nil otherwise.
	sandbox *sandbox.Sandbox
}

// openProviders makes the clients. In demo mode they are the same, but for endpoint and credentials: those of the
// sandbox, which listens on a loopback port of its own.
func (s *Service) openProviders(ctx context.Context) (*providers, error) {
	mail := email.Config{From: s.cfg.EmailFrom, ConfigurationSet: s.cfg.SESConfigurationSet}
	fcm := push.Config{ProjectID: s.cfg.FCMProject}
	p := &providers{channels: map[string]notify.Notifier{}}
	if s.cfg.Demo {
		url, err := s.openSandbox(ctx, p)
		if err != nil {
			return nil, err
		}
		credentials, err := p.sandbox.ServiceAccount("carewire-demo", url)
		if err != nil {
			return nil, fmt.Errorf("make the sandbox's credentials: %w", err)
		}
		mail = email.Config{From: "carewire@demo.example", Region: "us-east-1", Endpoint: url, AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}
		fcm = push.Config{ProjectID: "carewire-demo", Endpoint: url, CredentialsJSON: credentials}
	}
	if mail.From != "" {
		sender, err := email.New(ctx, mail)
		if err != nil {
			return nil, err
		}
		p.channels[notify.Email] = sender
		s.group.onStop("email", closing(sender.Close))
	}
	if fcm.ProjectID != "" {
		sender, err := push.New(ctx, fcm)
		if err != nil {
			return nil, err
		}
		p.channels[notify.Push] = sender
		s.group.onStop("push", closing(sender.Close))
	}
	return p, nil
}

// openSandbox serves the stand-ins on a loopback port of their own, so that nobody reaches them through the API's
// address.
func (s *Service) openSandbox(ctx context.Context, p *providers) (url string, err error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve the sandbox: %w", err)
	}
	p.sandbox = sandbox.New()
	s.serve("sandbox", &http.Server{Handler: p.sandbox.Providers(), ReadHeaderTimeout: 5 * time.Second}, listener)
	return "http://" + listener.Addr().String(), nil
}

func closing(fn func()) func(context.Context) error {
	return func(context.Context) error {
		fn()
		return nil
	}
}
