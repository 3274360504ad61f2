package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/oauth2"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const (
	// clockSkew is the accepted difference between the issuer's clock and ours.
	clockSkew = time.Minute
	// verifiedFor is how long a verified token is accepted without checking its signature again, unless the issuer withdraws
	// a key in between.
	verifiedFor = 5 * time.Minute
	// cachedTokens limits the cache of verified tokens. An entry is a digest and its claims, about 300 bytes.
	cachedTokens = 10_000
	// discoveryInterval is the time between two attempts to reach an issuer that did not answer.
	discoveryInterval = time.Second
	// clientTimeout limits one call to the issuer. Requests wait for it.
	clientTimeout = 5 * time.Second
	// maxTokenLength is in bytes. Proxies and servers limit a request's headers to about as much.
	maxTokenLength = 16 << 10
)

// Reasons of a token that is not accepted. Clients see them as the problem's code.
const (
	ReasonTokenExpired  = "token_expired"
	ReasonTokenNotYet   = "token_not_yet_valid" //nolint:gosec // A code, no credential.
	ReasonTokenInvalid  = "token_invalid"
	ReasonWrongIssuer   = "token_wrong_issuer"
	ReasonWrongAudience = "token_wrong_audience"
)

// algorithms are the accepted signatures. "none" and the symmetric ones are left out: anyone who knows a public key could
// forge those (RFC 8725, section 2.1).
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// VerifierConfig configures a Verifier.
type VerifierConfig struct {
	// Issuer is the OpenID provider's URL. Its keys are discovered; it may be unreachable at start.
	Issuer string
	// Audience must be in a token's aud.
	Audience string
	// Demo is the demo's own issuer. It replaces Issuer.
	Demo *DemoIssuer
	// KeysMaxAge is the age at which the provider's keys are fetched again; 5 minutes by default.
	KeysMaxAge time.Duration
	// Client calls the provider; by default one with a timeout of 5 seconds.
	Client *http.Client
	Logger *slog.Logger
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Validate returns an error that names the settings that are missing.
func (c VerifierConfig) Validate() error {
	if c.Audience == "" || (c.Demo == nil && c.Issuer == "") {
		return errors.New("a verifier needs an issuer and an audience")
	}
	return nil
}

// Claims are the claims of a verified token.
type Claims struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
	Nonce         string
	ExpiresAt     time.Time
	// Fresh reports whether this call checked the signature; Verify did so within the last minutes for
	// other tokens.
	Fresh bool
}

// Identity returns the claims by which the directory finds a person.
func (c Claims) Identity() directory.Identity {
	return directory.Identity{Issuer: c.Issuer, Subject: c.Subject, Email: c.Email, EmailVerified: c.EmailVerified}
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	cfg   VerifierConfig
	cache *lru.Cache[[sha256.Size]byte, cachedClaims]

	mu       sync.Mutex
	provider *oidc.Provider
	keys     oidc.KeySet
	// discovering is open while a discovery runs; lastFailure is the time of the last one that failed.
	discovering chan struct{}
	lastFailure time.Time
}

type cachedClaims struct {
	claims Claims
	until  time.Time
	// withdrawals is the count of remoteKeys when the signature was checked.
	withdrawals uint64
}

// NewVerifier returns a verifier. It does not wait for the issuer: discovery runs when it is first needed, and again until
// it succeeds.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: clientTimeout}
	}
	cfg.KeysMaxAge = cmp.Or(cfg.KeysMaxAge, keysMaxAge)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cache, err := lru.New[[sha256.Size]byte, cachedClaims](cachedTokens)
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, cache: cache}
	if cfg.Demo != nil {
		v.cfg.Issuer = DemoIssuerURL
		v.keys = cfg.Demo.KeySet()
	}
	return v, nil
}

// Issuer returns the URL of the accepted issuer.
func (v *Verifier) Issuer() string { return v.cfg.Issuer }

// Warm discovers the issuer ahead of the first request and logs a failure. It is optional.
func (v *Verifier) Warm(ctx context.Context) {
	_, _ = v.keySet(ctx)
}

// Verify returns the claims of a bearer token that the issuer signed for this service and that is valid now. The error is
// care.Unauthenticated with a Reason for a token that is not accepted, and care.Unavailable while the issuer's keys cannot be
// fetched.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	digest := sha256.Sum256([]byte(token))
	now := v.cfg.Now()
	// Read before the signature is checked: the next call notices a key that is withdrawn in between.
	withdrawals := v.withdrawals(ctx)
	if hit, ok := v.cache.Get(digest); ok {
		if now.Before(hit.until) && hit.withdrawals == withdrawals {
			return hit.claims, nil
		}
		v.cache.Remove(digest)
	}
	claims, err := v.VerifyFor(ctx, token, v.cfg.Audience)
	if err != nil {
		return Claims{}, err
	}
	until := now.Add(verifiedFor)
	if end := claims.ExpiresAt.Add(clockSkew); end.Before(until) {
		until = end
	}
	v.cache.Add(digest, cachedClaims{claims, until, withdrawals})
	claims.Fresh = true
	return claims, nil
}

// withdrawals returns how often the issuer withdrew a key. Keys that are too old are fetched first. If that fails, the
// result is a count at which no token was verified.
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

// Known reports whether the token was verified before and has not expired since.
func (v *Verifier) Known(token string) bool {
	hit, ok := v.cache.Get(sha256.Sum256([]byte(token)))
	return ok && v.cfg.Now().Before(hit.until)
}

// VerifyFor is Verify for another audience, without the cache: an ID token is for the client (OpenID Connect Core, section
// 3.1.3.7).
func (v *Verifier) VerifyFor(ctx context.Context, token, audience string) (Claims, error) {
	if len(token) > maxTokenLength {
		return Claims{}, BadToken(ReasonTokenInvalid, "the token is too long to be one")
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return Claims{}, BadToken(ReasonTokenInvalid, "the token is not a JWT, or not signed with an algorithm that is accepted here")
	}
	if !accessType(signed) {
		return Claims{}, BadToken(ReasonTokenInvalid, "the token is not an access token: its typ is of another kind")
	}
	keys, err := v.keySet(ctx)
	if err != nil {
		return Claims{}, err
	}
	payload, err := keys.VerifySignature(ctx, token)
	if err != nil {
		if errors.Is(err, errKeysUnavailable) || ctx.Err() != nil {
			return Claims{}, IssuerUnavailable()
		}
		return Claims{}, BadToken(ReasonTokenInvalid, "the token's signature is not the issuer's")
	}
	return v.check(payload, audience)
}

// keySet returns the issuer's keys, after discovery if it has not happened yet.
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

// discover reads the issuer's configuration. One caller asks and the others wait for its answer. After a failure there is no
// attempt for discoveryInterval, so that an issuer that is down does not slow every request.
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
				return IssuerUnavailable()
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case v.cfg.Now().Sub(v.lastFailure) < discoveryInterval:
		v.mu.Unlock()
		return IssuerUnavailable()
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
		v.cfg.Logger.WarnContext(ctx, "identity provider cannot be reached; sign-ins fail until it answers", "issuer", v.cfg.Issuer, "error", err.Error())
		return IssuerUnavailable()
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
		return nil, nil, errors.New("the configuration has no jwks_uri")
	}
	return provider, newRemoteKeys(more.KeysURL, v.cfg.Client, v.cfg.KeysMaxAge, v.cfg.Now, func(err error) {
		v.cfg.Logger.Warn("fetching the keys of the identity provider failed", "issuer", v.cfg.Issuer, "error", err.Error())
	}), nil
}

// IssuerUnavailable returns the error of a request that needs the issuer while it does not answer.
func IssuerUnavailable() error {
	return care.Errorf(care.Unavailable, "the identity provider cannot be reached, so tokens cannot be checked; try again")
}

// BadToken returns the error of a token that is not accepted (RFC 6750, section 3.1).
func BadToken(reason, detail string) *care.Error {
	err := care.Errorf(care.Unauthenticated, "%s", detail)
	err.Reason = reason
	return err
}

// Client returns the HTTP client for calls to the issuer.
func (v *Verifier) Client() *http.Client { return v.cfg.Client }

// Endpoint returns the issuer's authorization and token endpoints. The error is care.NotFound for the demo's issuer, which has
// none.
func (v *Verifier) Endpoint(ctx context.Context) (oauth2.Endpoint, error) {
	if _, err := v.keySet(ctx); err != nil {
		return oauth2.Endpoint{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.provider == nil {
		return oauth2.Endpoint{}, care.Errorf(care.NotFound, "no identity provider is configured to sign in with")
	}
	return v.provider.Endpoint(), nil
}
