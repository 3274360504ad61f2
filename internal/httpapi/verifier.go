package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const (
	// clockSkew is how far the issuer's clock may be from ours.
	clockSkew = time.Minute
	// verifiedFor is how long a verified token is taken for good without looking at its signature again, unless one of the issuer's
	// keys was withdrawn meanwhile.
	verifiedFor = 5 * time.Minute
	// discoveryPause is how long an issuer that could not be reached is left alone.
	discoveryPause = time.Second
	maxTokenLength = 16 << 10
)

// algorithms are the signatures that are accepted. «none» and the symmetric ones are not among them: whoever knows a
// public key could forge those.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// VerifierConfig says whose tokens are accepted.
type VerifierConfig struct {
	// Issuer is the OpenID provider's URL; its keys are discovered. It may be unreachable at start.
	Issuer string
	// Audience is what a token's aud must hold.
	Audience string
	// Local is the demo's own issuer; with it, Issuer is not used.
	Local *LocalIssuer
	// KeysMaxAge is how old the provider's keys may be before they are fetched again; by default 5 min.
	KeysMaxAge time.Duration
	// Client calls the provider; by default one that waits 5 s at most.
	Client *http.Client
	Logger *slog.Logger
	// Now is the clock; by default time.Now.
	Now func() time.Time
}

// Claims are what a verified token says.
type Claims struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
	Nonce         string
	ExpiresAt     time.Time
}

// Identity is the claims as the directory wants them.
func (c Claims) Identity() directory.Identity {
	return directory.Identity{Issuer: c.Issuer, Subject: c.Subject, Email: c.Email, EmailVerified: c.EmailVerified}
}

// Verifier tells whether a token is good. It is safe for use by many goroutines.
type Verifier struct {
	cfg   VerifierConfig
	cache *lru[[sha256.Size]byte, cachedClaims]

	mu       sync.Mutex
	provider *oidc.Provider
	keys     oidc.KeySet
	// discovering is open while somebody asks the issuer; lastFailure is when that last failed.
	discovering chan struct{}
	lastFailure time.Time
}

type cachedClaims struct {
	claims Claims
	until  time.Time
	// withdrawals is remoteKeys' count when the signature was looked at.
	withdrawals uint64
}

// NewVerifier makes a verifier. It does not wait for the issuer: discovery happens when it is first needed, again and
// again until it works.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if cfg.Audience == "" || (cfg.Local == nil && cfg.Issuer == "") {
		return nil, errors.New("a verifier needs an issuer and an audience")
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 5 * time.Second}
	}
	cfg.KeysMaxAge = cmp.Or(cfg.KeysMaxAge, keysMaxAge)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	v := &Verifier{cfg: cfg, cache: newLRU[[sha256.Size]byte, cachedClaims](10_000)}
	if cfg.Local != nil {
		v.cfg.Issuer = LocalIssuerURL
		v.keys = cfg.Local.KeySet()
	}
	return v, nil
}

// Issuer is whose tokens are accepted.
func (v *Verifier) Issuer() string { return v.cfg.Issuer }

// Warm looks the issuer up ahead of the first request and logs when it cannot be reached. The verifier works without.
func (v *Verifier) Warm(ctx context.Context) {
	_, _ = v.keySet(ctx)
}

// Verify tells what a bearer token says: that it is signed by the issuer, for this service, and good now. A token that is
// not good is a problem of status 401 whose code says why; when the issuer's keys cannot be had it is care.Unavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	digest := sha256.Sum256([]byte(token))
	now := v.cfg.Now()
	// Asked before the signature is looked at: a key that goes away in between is noticed the next time.
	withdrawals := v.withdrawals(ctx)
	if hit, ok := v.cache.get(digest); ok {
		if now.Before(hit.until) && hit.withdrawals == withdrawals {
			return hit.claims, nil
		}
		v.cache.remove(digest)
	}
	claims, err := v.verify(ctx, token, v.cfg.Audience)
	if err != nil {
		return Claims{}, err
	}
	until := now.Add(verifiedFor)
	if end := claims.ExpiresAt.Add(clockSkew); end.Before(until) {
		until = end
	}
	v.cache.put(digest, cachedClaims{claims, until, withdrawals})
	return claims, nil
}

// withdrawals counts how often a key of the issuer went away. Keys that are too old are fetched first. Where they cannot be had it
// is a number that no token was verified at.
func (v *Verifier) withdrawals(ctx context.Context) uint64 {
	v.mu.Lock()
	remote, ok := v.keys.(*remoteKeys)
	v.mu.Unlock()
	if !ok {
		return 0
	}
	n, err := remote.withdrawn(ctx)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

// known reports whether the token was verified before and is still good.
func (v *Verifier) known(token string) bool {
	hit, ok := v.cache.get(sha256.Sum256([]byte(token)))
	return ok && v.cfg.Now().Before(hit.until)
}

func (v *Verifier) verify(ctx context.Context, token, audience string) (Claims, error) {
	if len(token) > maxTokenLength {
		return Claims{}, badToken(codeTokenInvalid, "the token is too long to be one")
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return Claims{}, badToken(codeTokenInvalid, "the token is not a JWT, or not signed with an algorithm that is accepted here")
	}
	if !accessType(signed) {
		return Claims{}, badToken(codeTokenInvalid, "the token's typ says that it is no access token")
	}
	keys, err := v.keySet(ctx)
	if err != nil {
		return Claims{}, err
	}
	payload, err := keys.VerifySignature(ctx, token)
	if err != nil {
		if errors.Is(err, errKeysAway) || ctx.Err() != nil {
			return Claims{}, issuerAway()
		}
		return Claims{}, badToken(codeTokenInvalid, "the token's signature is not the issuer's")
	}
	return v.check(payload, audience)
}

// keySet gives the issuer's keys, after discovery where that has not happened yet.
func (v *Verifier) keySet(ctx context.Context) (oidc.KeySet, error) {
	v.mu.Lock()
	keys := v.keys
	v.mu.Unlock()
	if keys != nil {
		return keys, nil
	}
	if err := v.discover(ctx); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.keys, nil
}

// discover reads the issuer's configuration. One caller asks, the others wait for its answer; after a failure nobody
// asks for a while, so that an issuer that is down does not slow every request.
func (v *Verifier) discover(ctx context.Context) error {
	v.mu.Lock()
	switch {
	case v.keys != nil:
		v.mu.Unlock()
		return nil
	case v.discovering != nil:
		waiting := v.discovering
		v.mu.Unlock()
		select {
		case <-waiting:
			v.mu.Lock()
			defer v.mu.Unlock()
			if v.keys == nil {
				return issuerAway()
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case v.cfg.Now().Sub(v.lastFailure) < discoveryPause:
		v.mu.Unlock()
		return issuerAway()
	}
	done := make(chan struct{})
	v.discovering = done
	v.mu.Unlock()

	// The answer is for every request, not only for this one.
	provider, keys, err := v.ask(oidc.ClientContext(context.WithoutCancel(ctx), v.cfg.Client))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.discovering = nil
	close(done)
	if err != nil {
		v.lastFailure = v.cfg.Now()
		v.cfg.Logger.WarnContext(ctx, "identity provider cannot be reached, nobody can sign in until it can", "issuer", v.cfg.Issuer, "error", err.Error())
		return issuerAway()
	}
	v.cfg.Logger.InfoContext(ctx, "identity provider found", "issuer", v.cfg.Issuer)
	v.provider, v.keys = provider, keys
	return nil
}

// ask reads the issuer's configuration. Its keys are fetched when the first token comes.
func (v *Verifier) ask(ctx context.Context) (*oidc.Provider, oidc.KeySet, error) {
	provider, err := oidc.NewProvider(ctx, v.cfg.Issuer)
	if err != nil {
		return nil, nil, err
	}
	var more struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil || more.KeysURL == "" {
		return nil, nil, errors.New("the configuration names no jwks_uri")
	}
	return provider, newRemoteKeys(more.KeysURL, v.cfg.Client, v.cfg.KeysMaxAge, v.cfg.Now, func(err error) {
		v.cfg.Logger.Warn("keys of the identity provider cannot be had", "issuer", v.cfg.Issuer, "error", err.Error())
	}), nil
}

func issuerAway() error {
	return care.Errorf(care.Unavailable, "the identity provider cannot be reached, so tokens cannot be checked; try again")
}

// badToken is the problem of a token that is not good (RFC 6750, section 3.1).
func badToken(code, detail string) *Problem {
	p := newProblem(http.StatusUnauthorized, code, detail).
		with("WWW-Authenticate", fmt.Sprintf(`Bearer realm="carewire", error="invalid_token", error_description=%q`, detail))
	p.refusal = care.Errorf(care.Unauthenticated, "%s", detail)
	return p
}

// endpoint tells where the issuer signs people in.
func (v *Verifier) endpoint(ctx context.Context) (oauth2.Endpoint, error) {
	if _, err := v.keySet(ctx); err != nil {
		return oauth2.Endpoint{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.provider == nil {
		return oauth2.Endpoint{}, care.Errorf(care.NotFound, "there is no identity provider to sign in with")
	}
	return v.provider.Endpoint(), nil
}
