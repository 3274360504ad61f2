package httpapi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// sealer keeps values in a browser that can neither read nor change them: AES-256-GCM under a key that every instance
// derives from the same secret.
type sealer struct {
	aead cipher.AEAD
}

func newSealer(secret []byte) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "carewire login cookie", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the cookie key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead}, err
}

// sealed is a value with its end.
type sealed[T any] struct {
	Until int64 `json:"until"`
	Value T     `json:"value"`
}

// seal makes the text of a value that is good for ttl. The purpose is bound to it.
func seal[T any](s *sealer, purpose string, value T, ttl time.Duration) string {
	plain, err := json.Marshal(sealed[T]{time.Now().Add(ttl).Unix(), value})
	if err != nil {
		panic(err) // Only our own structs of strings are sealed: they always marshal.
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(purpose))) //nolint:gosec // This AEAD makes its nonces itself.
}

// unseal gives the value back, or false when the text is not what seal made for the purpose, or too old.
func unseal[T any](s *sealer, purpose, text string) (T, bool) {
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

// nonce makes an unguessable text.
func nonce() string { return rand.Text() }
