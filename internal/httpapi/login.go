package httpapi

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

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"golang.org/x/oauth2"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

const (
	// sessionCookie holds the secret of a browser's session, loginCookie what a sign-in under way must remember.
	sessionCookie = "carewire_session"
	loginCookie   = "carewire_login"
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

func (s *Server) addLogin() {
	s.handle(http.MethodGet, "/login", access{public: true}, s.login)
	s.handle(http.MethodPost, "/login", access{public: true}, s.demoLogin)
	s.handle(http.MethodGet, "/login/callback", access{public: true}, s.loginCallback)
	s.handle(http.MethodPost, "/logout", access{public: true}, s.logout)
}

// login shows the demo's people, or sends the browser to the identity provider.
func (s *Server) login(c *echo.Context) error {
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: localPath(c.QueryParam("next"))}
	if token := c.QueryParam("invitation"); len(token) <= 200 {
		a.Invitation = token
	}
	if s.cfg.Demo {
		s.remember(c, a)
		return s.page(c, http.StatusOK, loginPage, map[string]any{"People": s.cfg.DemoPeople, "Token": a.State})
	}
	client, err := s.oauth(c.Request().Context())
	if err != nil {
		return err
	}
	s.remember(c, a)
	return c.Redirect(http.StatusSeeOther, client.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)))
}

// oauth is carewire as a client of the identity provider.
func (s *Server) oauth(ctx context.Context) (*oauth2.Config, error) {
	if s.cfg.Login.ClientID == "" {
		return nil, care.Errorf(care.NotFound, "browsers cannot sign in here: the operator has not set CAREWIRE_OIDC_CLIENT_ID; bearer tokens work")
	}
	endpoint, err := s.cfg.Verifier.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: s.cfg.Login.ClientID, ClientSecret: s.cfg.Login.ClientSecret, Endpoint: endpoint,
		RedirectURL: strings.TrimSuffix(s.cfg.BaseURL, "/") + "/login/callback", Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}

// demoLogin signs the browser in as one of the demo's people.
func (s *Server) demoLogin(c *echo.Context) error {
	r := c.Request()
	if !s.cfg.Demo {
		return care.Errorf(care.NotFound, "there is nothing to choose here; open /login")
	}
	if err := s.demoHost(r); err != nil {
		return err
	}
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	email := r.PostFormValue("email")
	a, ok := s.remembered(r)
	if !ok || !same(a.State, r.PostFormValue("token")) {
		return newProblem(http.StatusForbidden, codeCrossOrigin, "the page has expired, or the request does not come from it; open /login again")
	}
	if !slices.ContainsFunc(s.cfg.DemoPeople, func(p DemoPerson) bool { return p.Email == email }) {
		return care.InvalidField("email", "must be one of the demo's people")
	}
	return s.signIn(c, directory.Identity{Issuer: auth.DemoIssuerURL, Subject: auth.DemoSubject(email), Email: email, EmailVerified: true}, a)
}

// loginCallback takes a browser back from the identity provider, with a code for its tokens.
func (s *Server) loginCallback(c *echo.Context) error {
	r := c.Request()
	a, ok := s.remembered(r)
	if !ok || !same(a.State, c.QueryParam("state")) {
		return care.Errorf(care.Unauthenticated, "this sign-in has expired or was not begun in this browser; open /login again")
	}
	if c.QueryParam("error") != "" {
		return care.Errorf(care.Unauthenticated, "the identity provider did not let you in; open /login to try again")
	}
	var claims auth.Claims
	err := s.counted(r, s.exchanges, func() (err error) {
		claims, err = s.exchange(r.Context(), c.QueryParam("code"), a)
		return err
	})
	if err != nil {
		return err
	}
	return s.signIn(c, claims.Identity(), a)
}

// exchange gets the tokens for a code and tells what the ID token says (OpenID Connect Core, section 3.1.3).
func (s *Server) exchange(ctx context.Context, code string, a attempt) (auth.Claims, error) {
	client, err := s.oauth(ctx)
	if err != nil {
		return auth.Claims{}, err
	}
	tokens, err := client.Exchange(oidc.ClientContext(ctx, s.cfg.Verifier.Client()), code, oauth2.VerifierOption(a.Verifier))
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		return auth.Claims{}, care.Errorf(care.Unauthenticated, "the identity provider does not know this sign-in any more; open /login again")
	}
	if err != nil {
		return auth.Claims{}, auth.IssuerUnavailable()
	}
	idToken, _ := tokens.Extra("id_token").(string)
	claims, err := s.cfg.Verifier.VerifyFor(ctx, idToken, s.cfg.Login.ClientID)
	if err != nil {
		return auth.Claims{}, err
	}
	if !same(claims.Nonce, a.Nonce) {
		return auth.Claims{}, auth.BadToken(auth.ReasonTokenInvalid, "the identity provider's answer belongs to another sign-in")
	}
	return claims, nil
}

// signIn opens a session for whoever the identity is, and goes where they wanted to. One who was invited accepts by it.
func (s *Server) signIn(c *echo.Context, identity directory.Identity, a attempt) error {
	ctx := c.Request().Context()
	if a.Invitation != "" {
		if _, err := s.cfg.Directory.AcceptInvitation(ctx, commandOf(ctx), identity, a.Invitation); err != nil {
			return err
		}
	}
	actor, err := s.cfg.Directory.GetActorByIdentity(ctx, identity)
	if err != nil {
		return err
	}
	infoOf(ctx).actor = actor
	if actor.UserID == uuid.Nil {
		return s.denied(ctx, care.SelfManage, "a service account does not sign in with a browser; it sends its token")
	}
	secret, expiresAt, err := s.cfg.Directory.CreateSession(ctx, actor.UserID, sessionLife)
	if err != nil {
		return err
	}
	c.SetCookie(s.cookie(sessionCookie, secret, "/", time.Until(expiresAt)))
	c.SetCookie(s.cookie(loginCookie, "", "/login", -1))
	return c.Redirect(http.StatusSeeOther, a.Next)
}

// logout ends the browser's session, its tickets and its sockets: those of this instance at once, those of the others when the
// ledger tells them.
func (s *Server) logout(c *echo.Context) error {
	r := c.Request()
	if err := s.sameOrigin(r); err != nil {
		return err
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && cookie.Value != "" {
		id, err := s.cfg.Directory.DeleteSession(r.Context(), commandOf(r.Context()), cookie.Value)
		if err != nil {
			return err
		}
		if s.cfg.Hub != nil && id != uuid.Nil {
			s.cfg.Hub.CloseSession(id)
		}
	}
	c.SetCookie(s.cookie(sessionCookie, "", "/", -1))
	return c.Redirect(http.StatusSeeOther, "/")
}

func (s *Server) remember(c *echo.Context, a attempt) {
	c.SetCookie(s.cookie(loginCookie, auth.Seal(s.sealer, loginCookie, a, loginLife), "/login", loginLife))
}

func (s *Server) remembered(r *http.Request) (attempt, bool) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return attempt{}, false
	}
	return auth.Unseal[attempt](s.sealer, loginCookie, cookie.Value)
}

// cookie makes a cookie that scripts cannot read and other sites' requests do not carry; a negative life removes it.
func (s *Server) cookie(name, value, path string, life time.Duration) *http.Cookie {
	maxAge := int(life.Seconds())
	if life < 0 {
		maxAge = -1
	}
	return &http.Cookie{ //nolint:gosec // Secure follows from how people reach the service.
		Name: name, Value: value, Path: path, MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
}

func same(a, b string) bool {
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
