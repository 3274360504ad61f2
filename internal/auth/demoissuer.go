package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// DemoIssuerURL is the issuer of the tokens that the demo signs. It deliberately does not resolve.
const DemoIssuerURL = "https://carewire.invalid/demo"

// DemoIssuer signs tokens for the demo, with its own key.
type DemoIssuer struct {
	key      *ecdsa.PrivateKey
	audience string
}

// NewDemoIssuer reads the issuer's key from the file. If the file is missing it creates it with mode 0600. Several
// processes may do so at once and end up with one key.
func NewDemoIssuer(path, audience string) (*DemoIssuer, error) {
	if err := makeKey(path); err != nil {
		return nil, fmt.Errorf("create the demo's signing key: %w", err)
	}
	return LoadDemoIssuer(path, audience)
}

// LoadDemoIssuer reads the issuer's key from the file, which must exist.
func LoadDemoIssuer(path, audience string) (*DemoIssuer, error) {
	text, err := os.ReadFile(path) //nolint:gosec // The path is the operator's setting.
	if err != nil {
		return nil, fmt.Errorf("read the demo's signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file; delete it to get a new key", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an ECDSA key", path)
	}
	return &DemoIssuer{ec, audience}, nil
}

// makeKey writes a new key to a temporary file and links it to the path. The link fails if another process was faster, and a
// reader never sees half a key.
func makeKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // The database beside it may run as another user.
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // CreateTemp makes it 0600.
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Mint returns a token for the person with the email, valid from now for ttl. The subject identifies them at this issuer.
func (l *DemoIssuer) Mint(email, subject string, ttl time.Duration) (string, error) {
	return l.sign(subject, ttl, map[string]any{"email": email, "email_verified": true})
}

// MintService returns a token of the client credentials grant (RFC 6749, section 4.4): its subject is the client.
func (l *DemoIssuer) MintService(clientID string, ttl time.Duration) (string, error) {
	return l.sign(clientID, ttl, map[string]any{"client_id": clientID, "azp": clientID})
}

func (l *DemoIssuer) sign(subject string, ttl time.Duration, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: l.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: DemoIssuerURL, Subject: subject, Audience: jwt.Audience{l.audience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(ttl)),
	}).Claims(claims).Serialize()
}

// KeySet returns the public key of the issuer.
func (l *DemoIssuer) KeySet() oidc.KeySet {
	return &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{l.key.Public()}}
}

// DemoSubject returns the subject of the person with the email at the demo's issuer.
func DemoSubject(email string) string { return "demo:" + email }
