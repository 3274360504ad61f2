package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"carewire/internal/auth"
	"carewire/internal/config"
)

// keyFile returns the path of the key that signs demo tokens, in the data directory.
func keyFile(cfg config.Config) string { return filepath.Join(cfg.DataDir, "demo-key.pem") }

// MintToken returns a bearer token for a demo person, signed with the key of the service in
// CAREWIRE_DATA_DIR.
func MintToken(cfg config.Config, email string, ttl time.Duration) (string, error) {
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
	return "", fmt.Errorf("--as: unknown demo person %q; want one of %s", email, strings.Join(known, ", "))
}

// MintServiceToken returns a bearer token for the demo's other system.
func MintServiceToken(cfg config.Config, clientID string, ttl time.Duration) (string, error) {
	if clientID != demoService {
		return "", fmt.Errorf("--service: unknown demo system %q; want %s", clientID, demoService)
	}
	issuer, err := demoIssuer(cfg)
	if err != nil {
		return "", err
	}
	return issuer.MintService(clientID, ttl)
}

// demoIssuer returns the issuer with the existing key. It creates none: without a key, no service
// in demo mode has run.
func demoIssuer(cfg config.Config) (*auth.DemoIssuer, error) {
	if _, err := os.Stat(keyFile(cfg)); err != nil {
		return nil, fmt.Errorf("CAREWIRE_DATA_DIR: no demo key in %s: start a service with --demo first, or set CAREWIRE_DATA_DIR to the directory of the one that runs", cfg.DataDir)
	}
	return auth.LoadDemoIssuer(keyFile(cfg), cfg.OIDCAudience)
}
