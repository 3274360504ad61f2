package httpapi

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

// LocalIssuerURL is the issuer of the tokens that the demo signs itself. It leads nowhere on purpose.
const LocalIssuerURL = "https://carewire.invalid/demo"

// LocalIssuer signs tokens with a key of its own, for the demo and for nothing else.
type LocalIssuer struct {
	key      *ecdsa.PrivateKey
	audience string
}

// NewLocalIssuer reads the issuer's key from the file, which it makes, for the owner's eyes only, where there is none.
// Several processes may do so at once: they end up with one key.
func NewLocalIssuer(path, audience string) (*LocalIssuer, error) {
	if err := makeKey(path); err != nil {
		return nil, fmt.Errorf("make the demo's signing key: %w", err)
	}
	return LoadLocalIssuer(path, audience)
}

// LoadLocalIssuer reads the issuer's key from the file, which must be there.
func LoadLocalIssuer(path, audience string) (*LocalIssuer, error) {
	text, err := os.ReadFile(path) //nolint:gosec // The path is the operator's setting.
	if err != nil {
		return nil, fmt.Errorf("read the demo's signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file; delete it to have a new key made", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no ECDSA key", path)
	}
	return &LocalIssuer{ec, audience}, nil
}

// makeKey writes a new key beside the path and links it there, which fails when somebody was faster: nobody ever reads
// half a key.
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

// Mint signs a token for the person with the email, good from now on for ttl. The subject names them at this issuer.
func (l *LocalIssuer) Mint(email, subject string, ttl time.Duration) (string, error) {
	return l.sign(subject, ttl, map[string]any{"email": email, "email_verified": true})
}

// MintService signs a token as a client gets it for itself (RFC 6749, section 4.4): its subject is the client.
func (l *LocalIssuer) MintService(clientID string, ttl time.Duration) (string, error) {
	return l.sign(clientID, ttl, map[string]any{"client_id": clientID, "azp": clientID})
}

func (l *LocalIssuer) sign(subject string, ttl time.Duration, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: l.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: LocalIssuerURL, Subject: subject, Audience: jwt.Audience{l.audience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(ttl)),
	}).Claims(claims).Serialize()
}

// KeySet gives the key by which the issuer's tokens are checked.
func (l *LocalIssuer) KeySet() oidc.KeySet {
	return &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{l.key.Public()}}
}

// LocalSubject is the subject under which the local issuer knows the person with the email.
func LocalSubject(email string) string { return "demo:" + email }
