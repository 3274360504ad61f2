package httpapi

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
	// keysMaxAge is how old the issuer's keys may be before they are fetched again: so long a key that the issuer withdrew counts.
	keysMaxAge = 5 * time.Minute
	// keysOutage is how many times as long keys count while the issuer cannot be reached: an hour by default.
	keysOutage = 12
	// keysPause is how long after a fetch the next one waits, but for the second: anybody can name a key that is not there.
	keysPause = 5 * time.Second
	// maxKeySet is the largest key set that is read, in bytes.
	maxKeySet = 1 << 20
)

// errKeysAway means that the issuer's keys cannot be fetched and none that were fetched before count any more.
var errKeysAway = errors.New("the issuer's keys cannot be fetched")

// remoteKeys are the keys that an issuer publishes (RFC 7517). They are fetched when the first token comes, when they are too old,
// and when a token names a key that is not among them, but not more often than once in keysPause. It is an oidc.KeySet: unlike the one
// of go-oidc, which keeps keys until a token names an unknown one, and then fetches for each such token.
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
	// withdrawals counts how often a key went away.
	withdrawals uint64
	// fetching is open while somebody asks the issuer.
	fetching chan struct{}
}

func newRemoteKeys(url string, client *http.Client, maxAge time.Duration, now func() time.Time, failed func(error)) *remoteKeys {
	return &remoteKeys{url: url, client: client, maxAge: maxAge, now: now, failed: failed, limiter: rate.NewLimiter(rate.Every(keysPause), 2)}
}

// VerifySignature returns the token's payload if one of the issuer's keys signed it. The error is errKeysAway, the context's, or that
// of a signature that is not good.
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
	// A key that is not known yet: that is how keys rotate (OpenID Connect Core, section 10.1.1).
	if id := signed.Signatures[0].Header.KeyID; id == "" || !slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return key.KeyID == id }) {
		if err := k.fetch(ctx); err != nil && !errors.Is(err, errKeysAway) {
			return nil, err
		}
		if keys, _, err = k.current(ctx); err != nil {
			return nil, err
		}
		if payload, ok := verifyWith(keys, signed); ok {
			return payload, nil
		}
	}
	return nil, errors.New("no key of the issuer made the signature")
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

// withdrawn returns how often a key went away. What was verified counts as long as that stays the same.
func (k *remoteKeys) withdrawn(ctx context.Context) (uint64, error) {
	_, n, err := k.current(ctx)
	return n, err
}

// current returns the keys, fetched again where they are too old. While one caller asks, the others go on with the old ones.
func (k *remoteKeys) current(ctx context.Context) ([]jose.JSONWebKey, uint64, error) {
	k.mu.Lock()
	age := k.now().Sub(k.fetched)
	if fresh := !k.fetched.IsZero() && age < k.maxAge; fresh || (k.fetching != nil && k.countsYet()) {
		defer k.mu.Unlock()
		return k.keys, k.withdrawals, nil
	}
	k.mu.Unlock()
	if err := k.fetch(ctx); err != nil && !errors.Is(err, errKeysAway) {
		return nil, 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.countsYet() {
		return nil, 0, errKeysAway
	}
	return k.keys, k.withdrawals, nil
}

// countsYet reports whether there are keys that count at least while the issuer cannot be reached. The lock is held.
func (k *remoteKeys) countsYet() bool {
	return !k.fetched.IsZero() && k.now().Sub(k.fetched) < keysOutage*k.maxAge
}

// fetch asks the issuer, unless that was done just before. One caller asks, the others wait for the answer, which is for all of them.
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
		return errKeysAway
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
		return errKeysAway
	}
	if slices.ContainsFunc(k.keys, func(old jose.JSONWebKey) bool { return !holds(keys, old) }) {
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
		// Keys of kinds that are not known here, and those for something else, are passed over (RFC 7517, section 5).
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// holds reports whether the key is among the keys, under the same name.
func holds(keys []jose.JSONWebKey, key jose.JSONWebKey) bool {
	digest, err := key.Thumbprint(crypto.SHA256)
	return err == nil && slices.ContainsFunc(keys, func(other jose.JSONWebKey) bool {
		same, err := other.Thumbprint(crypto.SHA256)
		return err == nil && other.KeyID == key.KeyID && string(same) == string(digest)
	})
}
