// Command oidcprovider is the OpenID provider of the test of docs/first-day.md. It serves the login
// page and the protocol of github.com/zitadel/oidc, which carewire does not use, from the
// configuration file of Dex: `oidcprovider serve FILE`. Dex itself cannot be fetched as a module.
//
// It reads of the file what the page uses: issuer, web.http, staticClients, enablePasswordDB with
// staticPasswords, and oauth2.passwordConnector. Addresses are verified, as Dex reports them.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/language"
)

// config is the part of Dex's configuration that this provider reads.
type config struct {
	Issuer           string
	Storage          struct{ Type string }
	Web              struct{ HTTP string }
	EnablePasswordDB bool `yaml:"enablePasswordDB"`
	OAuth2           struct {
		PasswordConnector  string `yaml:"passwordConnector"`
		SkipApprovalScreen bool   `yaml:"skipApprovalScreen"`
	}
	StaticClients []struct {
		ID, Name, Secret string
		RedirectURIs     []string `yaml:"redirectURIs"`
	} `yaml:"staticClients"`
	StaticPasswords []struct {
		Email, Hash, Username string
		UserID                string `yaml:"userID"`
	} `yaml:"staticPasswords"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oidcprovider:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || args[0] != "serve" {
		return errors.New("usage: oidcprovider serve FILE")
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var c config
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return fmt.Errorf("read %s: %w", args[1], err)
	}
	handler, err := newHandler(c)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: c.Web.HTTP, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// users are the static passwords of the file, by e-mail address.
type users map[string]*storage.User

func (u users) GetUserByID(id string) *storage.User {
	for _, user := range u {
		if user.ID == id {
			return user
		}
	}
	return nil
}

func (u users) GetUserByUsername(name string) *storage.User { return u[name] }

func (u users) ExampleClientID() string { return "service" }

// store is the library's storage in memory, with hashed passwords and with clients whose ID tokens
// have the address.
type store struct {
	*storage.Storage
	users users
	path  string
}

// CheckUsernamePassword is what the login page calls.
func (s *store) CheckUsernamePassword(username, password, id string) error {
	hash, err := s.check(username, password)
	if err != nil {
		return err
	}
	return s.Storage.CheckUsernamePassword(username, hash, id)
}

func (s *store) check(username, password string) (hash string, err error) {
	user := s.users[username]
	if user == nil || bcrypt.CompareHashAndPassword([]byte(user.Password), []byte(password)) != nil {
		return "", errors.New("username or password wrong")
	}
	return user.Password, nil
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return client{c, s.path}, err
}

type client struct {
	op.Client
	path string
}

func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c client) LoginURL(id string) string { return c.path + "/login/username?authRequestID=" + id }

// newHandler returns the provider below the path of its issuer, with Dex's paths.
func newHandler(c config) (http.Handler, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if !c.EnablePasswordDB {
		return nil, errors.New("enablePasswordDB: must be true")
	}
	s := &store{users: users{}, path: issuer.Path}
	clients := map[string]*storage.Client{}
	for _, k := range c.StaticClients {
		clients[k.ID] = storage.WebClient(k.ID, k.Secret, k.RedirectURIs...)
	}
	for _, p := range c.StaticPasswords {
		s.users[p.Email] = &storage.User{
			ID: p.UserID, Username: p.Email, Password: p.Hash, FirstName: p.Username, Email: p.Email, EmailVerified: true, PreferredLanguage: language.English,
		}
	}
	s.Storage = storage.NewStorageWithClients(s.users, clients)
	paths := []op.Option{
		op.WithCustomTokenEndpoint(op.NewEndpoint("token")), op.WithCustomKeysEndpoint(op.NewEndpoint("keys")),
		op.WithCustomUserinfoEndpoint(op.NewEndpoint("userinfo")),
	}
	router := http.StripPrefix(issuer.Path, exampleop.SetupServer(c.Issuer, s, slog.New(slog.DiscardHandler), false, paths...))
	tokens := router
	if c.OAuth2.PasswordConnector == "local" {
		if tokens, err = newPasswordGrant(c.Issuer, s, router); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+issuer.Path+"/token", tokens)
	mux.Handle(issuer.Path+"/", router)
	mux.Handle("/login/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // The page's form posts here.
		r.URL.Path = issuer.Path + r.URL.Path
		router.ServeHTTP(w, r)
	}))
	return mux, nil
}

// newPasswordGrant returns the token endpoint with the password grant (RFC 6749, section 4.3), which
// Dex has and the library does not, in front of the library's own.
func newPasswordGrant(issuer string, s *store, other http.Handler) (http.Handler, error) {
	var key [32]byte
	_, _ = rand.Read(key[:])
	provider, err := op.NewProvider(&op.Config{CryptoKey: key}, s, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "password" {
			other.ServeHTTP(w, r)
			return
		}
		answer, err := grantPassword(op.ContextWithIssuer(r.Context(), issuer), r, s, provider)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": err.Error()})
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}), nil
}

func grantPassword(ctx context.Context, r *http.Request, s *store, provider *op.Provider) (*oidc.AccessTokenResponse, error) {
	id, secret, _ := r.BasicAuth()
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	username := r.PostForm.Get("username")
	if _, err := s.check(username, r.PostForm.Get("password")); err != nil {
		return nil, err
	}
	scopes := oidc.SpaceDelimitedArray{}
	if err := scopes.UnmarshalText([]byte(r.PostForm.Get("scope"))); err != nil || !slices.Contains(scopes, oidc.ScopeOpenID) {
		return nil, errors.New("the scope openid is missing")
	}
	request, err := s.CreateAuthRequest(ctx, &oidc.AuthRequest{ClientID: id, Scopes: scopes, ResponseType: oidc.ResponseTypeCode}, s.users[username].ID)
	if err != nil {
		return nil, err
	}
	c, err := s.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return op.CreateTokenResponse(ctx, request, c, provider, true, "", "")
}
