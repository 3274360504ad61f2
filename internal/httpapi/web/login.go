package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"carewire/internal/httpapi"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"golang.org/x/oauth2"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const (
	// loginCookie holds the state of a sign-in under way.
	loginCookie = "carewire_login"
	// sessionLife is how long a browser stays signed in: a working day.
	sessionLife = 8 * time.Hour
	loginLife   = 10 * time.Minute
)

// LoginConfig is carewire as a client of the identity provider. Without a ClientID browsers cannot sign in.
type LoginConfig struct {
	ClientID     string
	ClientSecret string
}

// DemoPerson is somebody as whom anybody may sign in, in the demo.
type DemoPerson struct {
	Email string
	// Label says what they are: "doctor at the demo clinic".
	Label string
}

// attempt is what a sign-in under way remembers, sealed in a cookie: what it will be recognized by when it comes back,
// the PKCE verifier (RFC 7636), and where the person wanted to go.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
	// Invitation is the token of one that the person accepts by signing in, or empty.
	Invitation string `json:"invitation,omitempty"`
}

func (p *pages) addLogin() {
	p.api.Handle(http.MethodGet, "/login", httpapi.Access{Public: true}, p.login)
	p.api.Handle(http.MethodPost, "/login", httpapi.Access{Public: true}, p.demoLogin)
	p.api.Handle(http.MethodGet, "/login/callback", httpapi.Access{Public: true}, p.loginCallback)
	p.api.Handle(http.MethodPost, "/logout", httpapi.Access{Public: true}, p.logout)
}

// login shows the demo's people, or sends the browser to the identity provider.
func (p *pages) login(c *echo.Context) error {
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: localPath(c.QueryParam("next"))}
	if token := c.QueryParam("invitation"); len(token) <= 200 {
		a.Invitation = token
	}
	if p.api.Demo() {
		p.remember(c, a)
		return render(c, http.StatusOK, loginPage, map[string]any{"People": p.cfg.DemoPeople, "Token": a.State})
	}
	client, err := p.oauth(c.Request().Context())
	if err != nil {
		return err
	}
	p.remember(c, a)
	return c.Redirect(http.StatusSeeOther, client.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)))
}

// oauth is carewire as a client of the identity provider.
func (p *pages) oauth(ctx context.Context) (*oauth2.Config, error) {
	if p.cfg.Login.ClientID == "" {
		return nil, care.Errorf(care.NotFound, "browsers cannot sign in here: the operator has not set CAREWIRE_OIDC_CLIENT_ID; bearer tokens work")
	}
	endpoint, err := p.cfg.Verifier.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: p.cfg.Login.ClientID, ClientSecret: p.cfg.Login.ClientSecret, Endpoint: endpoint,
		RedirectURL: strings.TrimSuffix(p.api.BaseURL().String(), "/") + "/login/callback", Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}

// demoLogin signs the browser in as one of the demo's people.
func (p *pages) demoLogin(c *echo.Context) error {
	r := c.Request()
	if !p.api.Demo() {
		return care.Errorf(care.NotFound, "there is nothing to choose here; open /login")
	}
	if err := p.demoHost(r); err != nil {
		return err
	}
	if err := p.api.CheckOrigin(r); err != nil {
		return err
	}
	email := r.PostFormValue("email")
	a, ok := p.remembered(r)
	if !ok || !secretEqual(a.State, r.PostFormValue("token")) {
		return httpapi.CrossOrigin("the page has expired, or the request does not come from it; open /login again")
	}
	if !slices.ContainsFunc(p.cfg.DemoPeople, func(person DemoPerson) bool { return person.Email == email }) {
		return care.InvalidField("email", "must be one of the demo's people")
	}
	return p.signIn(c, directory.Identity{Issuer: auth.DemoIssuerURL, Subject: auth.DemoSubject(email), Email: email, EmailVerified: true}, a)
}

// loginCallback takes a browser back from the identity provider, with a code for its tokens.
func (p *pages) loginCallback(c *echo.Context) error {
	r := c.Request()
	a, ok := p.remembered(r)
	if !ok || !secretEqual(a.State, c.QueryParam("state")) {
		return care.Errorf(care.Unauthenticated, "this sign-in has expired or was not begun in this browser; open /login again")
	}
	if c.QueryParam("error") != "" {
		return care.Errorf(care.Unauthenticated, "the identity provider did not let you in; open /login to try again")
	}
	var claims auth.Claims
	err := p.api.ThrottleFailedLogins(r, func() (err error) {
		claims, err = p.exchange(r.Context(), c.QueryParam("code"), a)
		return err
	})
	if err != nil {
		return err
	}
	return p.signIn(c, claims.Identity(), a)
}

// exchange gets the tokens for a code and tells what the ID token says (OpenID Connect Core, section 3.1.3).
func (p *pages) exchange(ctx context.Context, code string, a attempt) (auth.Claims, error) {
	client, err := p.oauth(ctx)
	if err != nil {
		return auth.Claims{}, err
	}
	tokens, err := client.Exchange(oidc.ClientContext(ctx, p.cfg.Verifier.Client()), code, oauth2.VerifierOption(a.Verifier))
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		return auth.Claims{}, care.Errorf(care.Unauthenticated, "the identity provider does not know this sign-in any more; open /login again")
	}
	if err != nil {
		return auth.Claims{}, auth.IssuerUnavailable()
	}
	idToken, _ := tokens.Extra("id_token").(string)
	claims, err := p.cfg.Verifier.VerifyFor(ctx, idToken, p.cfg.Login.ClientID)
	if err != nil {
		return auth.Claims{}, err
	}
	if !secretEqual(claims.Nonce, a.Nonce) {
		return auth.Claims{}, auth.BadToken(auth.ReasonTokenInvalid, "the identity provider's answer belongs to another sign-in")
	}
	return claims, nil
}

// signIn opens a session for whoever the identity is, and goes where they wanted to. One who was invited accepts by it.
func (p *pages) signIn(c *echo.Context, identity directory.Identity, a attempt) error {
	ctx := c.Request().Context()
	if a.Invitation != "" {
		if _, err := p.cfg.Directory.AcceptInvitation(ctx, httpapi.CommandOf(ctx), identity, a.Invitation); err != nil {
			return err
		}
	}
	actor, err := p.cfg.Directory.GetActorByIdentity(ctx, identity)
	if err != nil {
		return err
	}
	httpapi.SetActor(ctx, actor)
	if actor.UserID == uuid.Nil {
		return p.api.Deny(ctx, care.SelfManage, "a service account does not sign in with a browser; it sends its token")
	}
	secret, expiresAt, err := p.cfg.Directory.CreateSession(ctx, actor.UserID, sessionLife)
	if err != nil {
		return err
	}
	c.SetCookie(p.cookie(httpapi.SessionCookie, secret, "/", time.Until(expiresAt)))
	c.SetCookie(p.cookie(loginCookie, "", "/login", -1))
	return c.Redirect(http.StatusSeeOther, a.Next)
}

// logout ends the browser's session, its tickets and its sockets: those of this instance at once, those of the others when the
// ledger tells them.
func (p *pages) logout(c *echo.Context) error {
	r := c.Request()
	if err := p.api.CheckOrigin(r); err != nil {
		return err
	}
	if cookie, err := r.Cookie(httpapi.SessionCookie); err == nil && cookie.Value != "" {
		id, err := p.cfg.Directory.DeleteSession(r.Context(), httpapi.CommandOf(r.Context()), cookie.Value)
		if err != nil {
			return err
		}
		if p.cfg.Hub != nil && id != uuid.Nil {
			p.cfg.Hub.CloseSession(id)
		}
	}
	c.SetCookie(p.cookie(httpapi.SessionCookie, "", "/", -1))
	return c.Redirect(http.StatusSeeOther, "/")
}

func (p *pages) remember(c *echo.Context, a attempt) {
	c.SetCookie(p.cookie(loginCookie, auth.Seal(p.sealer, loginCookie, a, loginLife), "/login", loginLife))
}

func (p *pages) remembered(r *http.Request) (attempt, bool) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return attempt{}, false
	}
	return auth.Unseal[attempt](p.sealer, loginCookie, cookie.Value)
}

// cookie makes a cookie that scripts cannot read and other sites' requests do not carry; a negative life removes it.
func (p *pages) cookie(name, value, path string, life time.Duration) *http.Cookie {
	maxAge := int(life.Seconds())
	if life < 0 {
		maxAge = -1
	}
	return &http.Cookie{ //nolint:gosec // Secure follows from how people reach the service.
		Name: name, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true, Secure: p.api.BaseURL().Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

func secretEqual(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// localPath keeps a redirect on this service: a path of ours, or "/". Browsers take a backslash for a slash and skip
// control characters, so that "/\evil.example" would lead away.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || len(next) > 2000 {
		return "/"
	}
	if strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return "/"
	}
	return next
}
