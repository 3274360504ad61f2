package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"html/template"
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
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
)

const (
	loginPath = "/login"
	// loginCookie holds the state of a sign-in under way.
	loginCookie = "carewire_login"
	// maxInvitation is the longest token of an invitation; the API accepts no longer ones.
	maxInvitation = 200
	// maxNext is the longest path to return to: the cookie that has it must stay below 4 KB.
	maxNext = 2000
	// sessionLife is the duration of a browser's session: a working day. loginLife is that of a
	// sign-in.
	sessionLife = 8 * time.Hour
	loginLife   = 10 * time.Minute
)

// LoginConfig is the client of the identity provider. Without a ClientID browsers cannot sign in.
type LoginConfig struct {
	ClientID     string
	ClientSecret string
}

// DemoPerson is a person that anybody can sign in as, in demo mode. Clinic is the name of their
// clinic, or empty for a role of the platform.
type DemoPerson struct{ Email, Name, Role, Clinic string }

// demoClinic is a group of people on the sign-in page of the demo.
type demoClinic struct {
	Name   string
	People []DemoPerson
}

// byClinic returns the people in groups, in the order of each group's first person. The people of
// the platform are the last group.
func byClinic(people []DemoPerson) []demoClinic {
	people = slices.Clone(people)
	slices.SortStableFunc(people, func(a, b DemoPerson) int {
		switch {
		case (a.Clinic == "") == (b.Clinic == ""):
			return 0
		case a.Clinic == "":
			return 1
		}
		return -1
	})
	var all []demoClinic
	for _, person := range people {
		name := cmp.Or(person.Clinic, "Platform")
		i := slices.IndexFunc(all, func(c demoClinic) bool { return c.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, demoClinic{Name: name})
		}
		all[i].People = append(all[i].People, person)
	}
	return all
}

var loginPage = template.Must(template.New("login").Parse(`<h1>Sign in</h1>
<p class="lead">This is a demo, and its people are fictitious. Choose one{{if ne .Next "/"}} to continue{{else}}; you get to their start page{{end}}.</p>
<form method="post" action="/login">
<input type="hidden" name="token" value="{{.Token}}">
<div class="people">
{{- range .Clinics}}
<section><h2>{{.Name}}</h2>
{{- range .People}}
<button name="email" value="{{.Email}}"><b>{{.Name}}</b> <small>{{.Role}}</small></button>
{{- end}}
</section>
{{- end}}
</div>
</form>`))

// attempt is the state of a sign-in, sealed in a cookie: the values that the callback is checked
// against, the PKCE verifier (RFC 7636), and the page to return to.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
	// Invitation is the token of an invitation that the person accepts by signing in, or empty.
	Invitation string `json:"invitation,omitempty"`
}

func (p *pages) addLogin() {
	if p.api.Demo() || p.cfg.Login.ClientID != "" {
		p.api.OfferLogin(loginPath)
	}
	p.api.Handle(http.MethodGet, loginPath, httpapi.Access{Public: true}, p.login)
	p.api.Handle(http.MethodPost, "/login", httpapi.Access{Public: true}, p.demoLogin)
	p.api.Handle(http.MethodGet, "/login/callback", httpapi.Access{Public: true}, p.loginCallback)
	p.api.Handle(http.MethodPost, "/logout", httpapi.Access{Public: true}, p.logout)
}

// login shows the people of the demo, or redirects the browser to the identity provider.
func (p *pages) login(c *echo.Context) error {
	a := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: localPath(c.QueryParam("next"))}
	if token := c.QueryParam("invitation"); len(token) <= maxInvitation {
		a.Invitation = token
	}
	if p.api.Demo() {
		p.remember(c, a)
		return p.render(c, "Sign in", loginPage, map[string]any{"Clinics": byClinic(p.cfg.DemoPeople), "Token": a.State, "Next": a.Next})
	}
	client, err := p.oauth(c.Request().Context())
	if err != nil {
		return err
	}
	p.remember(c, a)
	return c.Redirect(http.StatusSeeOther, client.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)))
}

// oauth returns the OAuth client for the identity provider.
func (p *pages) oauth(ctx context.Context) (*oauth2.Config, error) {
	if p.cfg.Login.ClientID == "" {
		return nil, care.Errorf(care.NotFound, "sign-in with a browser is disabled: CAREWIRE_OIDC_CLIENT_ID is not set; use bearer tokens")
	}
	endpoint, err := p.cfg.Verifier.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: p.cfg.Login.ClientID, ClientSecret: p.cfg.Login.ClientSecret, Endpoint: endpoint,
		RedirectURL: strings.TrimSuffix(p.api.BaseURL().String(), "/") + "/login/callback",
		Scopes:      []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}

// demoLogin signs the browser in as one of the people of the demo.
func (p *pages) demoLogin(c *echo.Context) error {
	r := c.Request()
	if !p.api.Demo() {
		return care.Errorf(care.NotFound, "not available outside of demo mode; open /login")
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
		return problem.CrossOrigin("the page has expired, or the request is not from it; open /login again")
	}
	if !slices.ContainsFunc(p.cfg.DemoPeople, func(person DemoPerson) bool { return person.Email == email }) {
		return care.InvalidField("email", "must be one of the people of the demo")
	}
	return p.signIn(c, directory.Identity{
		Issuer: auth.DemoIssuerURL, Subject: auth.DemoSubject(email), Email: email, EmailVerified: true,
	}, a)
}

// loginCallback handles the redirect from the identity provider, with a code for the tokens.
func (p *pages) loginCallback(c *echo.Context) error {
	r := c.Request()
	a, ok := p.remembered(r)
	if !ok || !secretEqual(a.State, c.QueryParam("state")) {
		return care.Errorf(care.Unauthenticated, "this sign-in has expired or was not started in this browser; open /login again")
	}
	if c.QueryParam("error") != "" {
		return care.Errorf(care.Unauthenticated, "the identity provider did not sign you in; open /login to try again")
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

// exchange exchanges a code for tokens and returns the claims of the ID token (OpenID Connect Core,
// section 3.1.3).
func (p *pages) exchange(ctx context.Context, code string, a attempt) (auth.Claims, error) {
	client, err := p.oauth(ctx)
	if err != nil {
		return auth.Claims{}, err
	}
	tokens, err := client.Exchange(oidc.ClientContext(ctx, p.cfg.Verifier.Client()), code, oauth2.VerifierOption(a.Verifier))
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		return auth.Claims{}, care.Errorf(care.Unauthenticated, "the identity provider has ended this sign-in; open /login again")
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

// signIn creates a session for the identity, after accepting an invitation, and redirects to the
// page to return to.
func (p *pages) signIn(c *echo.Context, identity directory.Identity, a attempt) error {
	ctx := c.Request().Context()
	if a.Invitation != "" {
		if _, err := p.cfg.Directory.AcceptInvitation(ctx, httpapi.CommandOf(ctx), identity, a.Invitation); err != nil {
			return err
		}
	}
	actor, err := p.cfg.Directory.GetActorByIdentity(ctx, identity)
	if err != nil {
		p.api.AuditRefusedSignIn(c.Request(), err)
		return err
	}
	httpapi.SetActor(ctx, actor)
	if actor.UserID == uuid.Nil {
		return p.api.Deny(ctx, care.SelfManage, "service accounts cannot sign in with a browser; send a bearer token")
	}
	secret, expiresAt, err := p.cfg.Directory.CreateSession(ctx, httpapi.CommandOf(ctx), sessionLife)
	if err != nil {
		return err
	}
	c.SetCookie(p.cookie(httpapi.SessionCookie, secret, "/", time.Until(expiresAt)))
	c.SetCookie(p.cookie(loginCookie, "", "/login", -1))
	return c.Redirect(http.StatusSeeOther, a.Next)
}

// logout ends the browser's session with its tickets and sockets. Sockets of this instance are
// closed at once, those of others when they read the event from the ledger.
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

// cookie returns a cookie that scripts cannot read and that is not sent with requests of other
// sites. A negative life removes it.
func (p *pages) cookie(name, value, path string, life time.Duration) *http.Cookie {
	maxAge := int(life.Seconds())
	if life < 0 {
		maxAge = -1
	}
	return &http.Cookie{ //nolint:gosec // Secure depends on the scheme of BaseURL.
		Name: name, Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, Secure: p.api.BaseURL().Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

// secretEqual compares secrets in constant time; an empty one is equal to none.
func secretEqual(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// localPath returns next if it is a path of this service, and otherwise "/". Browsers treat a
// backslash like a slash and ignore control characters, so "/\evil.example" would lead to another
// site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || len(next) > maxNext {
		return "/"
	}
	if strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return "/"
	}
	return next
}
