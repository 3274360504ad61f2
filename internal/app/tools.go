package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/outbox"
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
			return issuer.Mint(p.email, httpapi.LocalSubject(p.email), ttl)
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
func demoIssuer(cfg config.Config) (*httpapi.LocalIssuer, error) {
	if _, err := os.Stat(keyFile(cfg)); err != nil { // Only a service makes the key.
		return nil, fmt.Errorf("CAREWIRE_DATA_DIR: %s holds no demo key; start a service with --demo first", cfg.DataDir)
	}
	return httpapi.LoadLocalIssuer(keyFile(cfg), cfg.OIDCAudience)
}

// Migrate brings the database's schema up to date.
func Migrate(ctx context.Context, cfg config.Config) error {
	url, err := databaseURL(cfg)
	if err != nil {
		return err
	}
	return postgres.Migrate(ctx, url, newLogger(cfg, os.Stderr))
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

// RulesCheck says all that is wrong with a rule file, each with its line, or how many rules it holds.
func RulesCheck(file string, src []byte) (int, error) {
	known, err := knownToRules()
	if err != nil {
		return 0, err
	}
	set, err := rule.Parse(src, known)
	if err != nil {
		return 0, inFile(file, err)
	}
	return len(set.Rules), nil
}

// RulesDefault is the rule file that a new database begins with.
func RulesDefault() []byte { return rule.Default() }

// RulesPublish checks a rule file and puts it in force.
func RulesPublish(ctx context.Context, cfg config.Config, file string, src []byte, note string) (int32, error) {
	known, err := knownToRules()
	if err != nil {
		return 0, err
	}
	var version int32
	err = withPool(ctx, cfg, postgres.Worker, func(pool *pgxpool.Pool) error {
		bell := outbox.NewBell(pool, newLogger(cfg, os.Stderr))
		cmd := care.Command{Actor: care.SystemActor("cli")}
		var err error
		version, err = dispatch.Publish(ctx, outbox.NewWriter(pool, bell), cmd, src, note, known)
		return inFile(file, err)
	})
	return version, err
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

// inFile puts the file's name before each error of a rule set.
func inFile(file string, err error) error {
	if errs, ok := errors.AsType[rule.Errors](err); ok {
		return errs.In(file)
	}
	return err
}
