package auth

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"
)

const (
	// keysMaxAge is the age at which the issuer's keys are fetched again. A withdrawn key is accepted for as long.
	keysMaxAge = 5 * time.Minute
	// keysOutage times the maximum age is how long keys are used while the issuer cannot be reached: an hour by default.
	keysOutage = 12
	// keysInterval is the least time between two fetches, with a burst of two: anyone can send a token with an unknown key ID.
	keysInterval = 5 * time.Second
	// maxKeySet is the largest accepted key set, in bytes.
	maxKeySet = 1 << 20
)

// errKeysUnavailable means that the issuer's keys cannot be fetched and the last ones are too old.
var errKeysUnavailable = errors.New("the issuer's keys cannot be fetched")

// remoteKeys are the keys that an issuer publishes (RFC 7517). They are fetched for the first token, when they are too old, and
// when a token has an unknown key ID, at most once per keysInterval. It is an oidc.KeySet. The one of go-oidc keeps keys until
// a token has an unknown key ID, and fetches for each such token.
type remoteKeys struct {
	url     string
	client  *http.Client
	maxAge  time.Duration
	now     func() time.Time
	failed  func(error)
	limiter *rate.Limiter

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time
	// withdrawals counts the fetches after which a key was gone.
	withdrawals uint64
	// fetching is open while a fetch runs.
	fetching chan struct{}
}

func newRemoteKeys(url string, client *http.Client, maxAge time.Duration, now func() time.Time, failed func(error)) *remoteKeys {
	return &remoteKeys{url: url, client: client, maxAge: maxAge, now: now, failed: failed, limiter: rate.NewLimiter(rate.Every(keysInterval), 2)}
}

// VerifySignature returns the payload of a token that one of the issuer's keys signed. The error is errKeysUnavailable, the
// context's, or that of an invalid signature.
func (k *remoteKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	keys, _, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(keys, signed); ok {
		return payload, nil
	}
	// An unknown key ID may be that of a new key (OpenID Connect Core, section 10.1.1).
	if id := signed.Signatures[0].Header.KeyID; id == "" || !slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return key.KeyID == id }) {
		if err := k.fetch(ctx); err != nil && !errors.Is(err, errKeysUnavailable) {
			return nil, err
		}
		if keys, _, err = k.current(ctx); err != nil {
			return nil, err
		}
		if payload, ok := verifyWith(keys, signed); ok {
			return payload, nil
		}
	}
	return nil, errors.New("the signature is not by a key of the issuer")
}

func verifyWith(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) ([]byte, bool) {
	id := signed.Signatures[0].Header.KeyID
	for i := range keys {
		if id != "" && keys[i].KeyID != id {
			continue
		}
		if payload, err := signed.Verify(&keys[i]); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// withdrawn returns the count of withdrawals. A verified token is accepted while it stays the same.
func (k *remoteKeys) withdrawn(ctx context.Context) (uint64, error) {
	_, n, err := k.current(ctx)
	return n, err
}

// current returns the keys and fetches them if they are too old. The other callers use the old keys during a fetch.
func (k *remoteKeys) current(ctx context.Context) ([]jose.JSONWebKey, uint64, error) {
	k.mu.Lock()
	age := k.now().Sub(k.fetched)
	if fresh := !k.fetched.IsZero() && age < k.maxAge; fresh || (k.fetching != nil && k.usable()) {
		defer k.mu.Unlock()
		return k.keys, k.withdrawals, nil
	}
	k.mu.Unlock()
	if err := k.fetch(ctx); err != nil && !errors.Is(err, errKeysUnavailable) {
		return nil, 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.usable() {
		return nil, 0, errKeysUnavailable
	}
	return k.keys, k.withdrawals, nil
}

// usable reports whether the keys may be used while the issuer cannot be reached. The caller holds the lock.
func (k *remoteKeys) usable() bool {
	return !k.fetched.IsZero() && k.now().Sub(k.fetched) < keysOutage*k.maxAge
}

// fetch fetches the keys within the limit of keysInterval. One caller fetches and the others wait for its result.
func (k *remoteKeys) fetch(ctx context.Context) error {
	k.mu.Lock()
	if waiting := k.fetching; waiting != nil {
		k.mu.Unlock()
		select {
		case <-waiting:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !k.limiter.AllowN(k.now(), 1) {
		k.mu.Unlock()
		return errKeysUnavailable
	}
	done := make(chan struct{})
	k.fetching = done
	k.mu.Unlock()

	keys, err := k.ask(context.WithoutCancel(ctx))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetching = nil
	close(done)
	if err != nil {
		k.failed(err)
		return errKeysUnavailable
	}
	if slices.ContainsFunc(k.keys, func(old jose.JSONWebKey) bool { return !containsKey(keys, old) }) {
		k.withdrawals++
	}
	k.keys, k.fetched = keys, k.now()
	return nil
}

func (k *remoteKeys) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching keys: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet))
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("fetching keys: the answer is not a key set")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// Keys of unknown types and encryption keys are skipped (RFC 7517, section 5).
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// containsKey reports whether the keys contain the key under the same key ID.
func containsKey(keys []jose.JSONWebKey, key jose.JSONWebKey) bool {
	digest, err := key.Thumbprint(crypto.SHA256)
	return err == nil && slices.ContainsFunc(keys, func(other jose.JSONWebKey) bool {
		same, err := other.Thumbprint(crypto.SHA256)
		return err == nil && other.KeyID == key.KeyID && string(same) == string(digest)
	})
}
