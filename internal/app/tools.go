package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/auth"
	"carewire/internal/config"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/postgres"
	"carewire/internal/rule"
)

// keyFile is where demo mode keeps the key that signs its tokens, in the data directory.
func keyFile(cfg config.Config) string { return filepath.Join(cfg.DataDir, "demo-key.pem") }

// Token gives a bearer token for a demo person, signed with the key of the service in CAREWIRE_DATA_DIR.
func Token(cfg config.Config, email string, ttl time.Duration) (string, error) {
	issuer, err := demoIssuer(cfg)
	if err != nil {
		return "", err
	}
	var known []string
	for _, p := range demoPeople {
		if p.email == email {
			return issuer.Mint(p.email, auth.DemoSubject(p.email), ttl)
		}
		known = append(known, p.email)
	}
	return "", fmt.Errorf("--as: %q is not a demo person; one of %s", email, strings.Join(known, ", "))
}

// ServiceToken gives a bearer token as Token does, for the demo's other system.
func ServiceToken(cfg config.Config, clientID string, ttl time.Duration) (string, error) {
	if clientID != demoService {
		return "", fmt.Errorf("--service: %q is not a system of the demo; there is %s", clientID, demoService)
	}
	issuer, err := demoIssuer(cfg)
	if err != nil {
		return "", err
	}
	return issuer.MintService(clientID, ttl)
}

// demoIssuer makes no key: where there is none, no service in demo mode has run.
func demoIssuer(cfg config.Config) (*auth.DemoIssuer, error) {
	if _, err := os.Stat(keyFile(cfg)); err != nil { // Only a service makes the key.
		return nil, fmt.Errorf("CAREWIRE_DATA_DIR: %s holds no demo key; start a service with --demo first", cfg.DataDir)
	}
	return auth.LoadDemoIssuer(keyFile(cfg), cfg.OIDCAudience)
}

// Migrate brings the database's schema up to date. It waits for a database that is away.
func Migrate(ctx context.Context, cfg config.Config) error {
	owner, err := commandAddress(cfg, postgres.Owner)
	if err != nil {
		return err
	}
	logger := newLogger(cfg, os.Stderr)
	w := newWaiter(cfg.StartTimeout, nil, logger)
	return w.do(ctx, "migrate", func(ctx context.Context) error { return postgres.Migrate(ctx, owner.url, logger) })
}

// knownToRules is what a rule may name: the channels there are, configured or not, and the templates that this binary
// holds.
func knownToRules() (rule.Known, error) {
	templates, err := notify.DefaultTemplates()
	if err != nil {
		return rule.Known{}, fmt.Errorf("load the templates: %w", err)
	}
	return rule.Known{Channels: notify.Channels, Template: templates.Has}, nil
}

// NewEpoch starts a new epoch of the ledger and tells its number.
func NewEpoch(ctx context.Context, cfg config.Config, reason string) (int32, error) {
	var epoch int32
	err := withPool(ctx, cfg, postgres.Worker, func(pool *pgxpool.Pool) error {
		var err error
		epoch, err = ledger.NewEpoch(ctx, pool, reason)
		return err
	})
	return epoch, err
}
