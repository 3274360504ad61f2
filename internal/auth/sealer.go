package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Sealer encrypts values for a cookie, which the browser can neither read nor change: AES-256-GCM with a key that every
// instance derives from the same secret.
type Sealer struct {
	aead cipher.AEAD
}

// NewSealer returns a Sealer of the secret, which has at least 32 bytes.
func NewSealer(secret []byte) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "carewire login cookie", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the cookie key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &Sealer{aead}, err
}

// sealed is a value with its expiry.
type sealed[T any] struct {
	Until int64 `json:"until"`
	Value T     `json:"value"`
}

// Seal returns the value encrypted as text. Unseal accepts it for ttl and for the same purpose only.
func Seal[T any](s *Sealer, purpose string, value T, ttl time.Duration) string {
	plain, err := json.Marshal(sealed[T]{time.Now().Add(ttl).Unix(), value})
	if err != nil {
		panic(err) // Only structs of strings are sealed, which always marshal.
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(purpose))) //nolint:gosec // This AEAD generates its nonces.
}

// Unseal returns the value of a text that Seal returned for the purpose. It reports false for any other text and for one that
// has expired.
func Unseal[T any](s *Sealer, purpose, text string) (T, bool) {
	var v sealed[T]
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return v.Value, false
	}
	plain, err := s.aead.Open(nil, nil, data, []byte(purpose))
	if err != nil || json.Unmarshal(plain, &v) != nil || time.Now().Unix() > v.Until {
		var zero T
		return zero, false
	}
	return v.Value, true
}
