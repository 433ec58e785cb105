package oidc_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	callback   = "http://localhost:8080/bff/callback"
	afterwards = "http://localhost:8080/"
	clientID   = "gate:way"
	password   = "s3cret: % + / ü"
)

// bench is a client with the development provider in front of it.
type bench struct {
	*oidc.Client
	t     *testing.T
	idp   *devidp.Server
	clock *clock
	log   *journal
	jar   http.CookieJar // the browser's; nil means a fresh one for each login
}

func setUp(t *testing.T, knobs devidp.Knobs, change ...func(*oidc.Config)) *bench {
	t.Helper()
	return setUpAt(t, "", knobs, change...)
}

// setUpAt gives the issuer a path.
func setUpAt(t *testing.T, path string, knobs devidp.Knobs, change ...func(*oidc.Config)) *bench {
	t.Helper()
	if knobs.AutoLogin == "" {
		knobs.AutoLogin = "alice"
	}
	idp, err := devidp.Listen(devidp.Config{Issuer: path, Knobs: knobs, Clients: []devidp.Client{
		{ID: clientID, Secret: password, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{afterwards}},
		{ID: "public", RedirectURIs: []string{callback}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idp.Close)
	b := &bench{t: t, idp: idp, clock: new(clock), log: new(journal)}
	b.Client = newClient(t, idp.Issuer(), append([]func(*oidc.Config){func(cfg *oidc.Config) {
		cfg.Log, cfg.Now = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), b.clock.now
	}}, change...)...)
	return b
}

// config is a whole configuration for an issuer.
func config(t *testing.T, issuer string) oidc.Config {
	t.Helper()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return oidc.Config{
		Issuer: issuer, ClientID: clientID, ClientSecret: secret.New(password),
		RedirectURL: callback, PostLogoutURL: afterwards,
		Scopes:    []string{"openid", "profile", "email", "offline_access"},
		Transport: transport,
	}
}

func newClient(t *testing.T, issuer string, change ...func(*oidc.Config)) *oidc.Client {
	t.Helper()
	cfg := config(t, issuer)
	for _, f := range change {
		f(&cfg)
	}
	c, err := oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attempt is a fresh login attempt.
func attempt() oidc.AuthRequest {
	return oidc.AuthRequest{State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text()}
}

// authorize goes to the provider and back: it returns the callback's query.
func (b *bench) authorize(a oidc.AuthRequest) url.Values {
	b.t.Helper()
	target, err := b.AuthorizationURL(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	back, err := devidp.SignIn(b.t.Context(), &http.Client{Transport: transport, Jar: b.jar}, target, "alice")
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.Query()
}

// try makes a whole login.
func (b *bench) try(a oidc.AuthRequest) (*session.Grant, error) {
	b.t.Helper()
	answer := b.authorize(a)
	if err := b.CheckIssuer(b.t.Context(), answer.Get("iss"), answer.Has("iss")); err != nil {
		return nil, err
	}
	return b.Exchange(b.t.Context(), answer.Get("code"), a)
}

func (b *bench) login() *session.Grant {
	b.t.Helper()
	g, err := b.try(attempt())
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

// refresh renews g as a session.Manager would.
func (b *bench) refresh(g *session.Grant) *session.Renewal {
	b.t.Helper()
	r, err := b.Refresh(b.t.Context(), g, session.Target{})
	if err != nil {
		b.t.Fatal(err)
	}
	if r.RefreshToken != "" {
		g.RefreshToken = r.RefreshToken
	}
	g.Access = map[session.Target]session.AccessToken{{}: r.Access}
	return r
}

// clock is the gateway's clock.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// desk is a provider that answers its token endpoint by script and has no other: a client
// of it knows its endpoints by configuration.
func desk(t *testing.T, handler http.HandlerFunc, change ...func(*oidc.Config)) *oidc.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, server.URL, append([]func(*oidc.Config){func(cfg *oidc.Config) {
		cfg.Endpoints = oidc.Endpoints{
			Authorization: server.URL + "/authorize", Token: server.URL + "/token", JWKS: server.URL + "/jwks",
			Revocation: server.URL + "/revoke",
		}
	}}, change...)...)
}

// grantOf is a grant that c may present.
func grantOf(c *oidc.Client) *session.Grant {
	return &session.Grant{Issuer: c.Issuer(), ClientID: c.ClientID(), Subject: "alice", RefreshToken: "the-refresh-token"}
}

// failureOf returns err as the *session.RefreshError that it has to be.
func failureOf(t *testing.T, err error) *session.RefreshError {
	t.Helper()
	failed, ok := errors.AsType[*session.RefreshError](err)
	if !ok {
		t.Fatalf("the error is %T (%v), not a *session.RefreshError", err, err)
	}
	return failed
}

// refusalOf returns err as the *oidc.LoginError that it has to be.
func refusalOf(t *testing.T, err error) *oidc.LoginError {
	t.Helper()
	refused, ok := errors.AsType[*oidc.LoginError](err)
	if !ok {
		t.Fatalf("the error is %T (%v), not a *oidc.LoginError", err, err)
	}
	return refused
}

func wantRefusal(t *testing.T, err error) {
	t.Helper()
	_ = refusalOf(t, err)
}

func TestABadConfigurationIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*oidc.Config)
		says   string
	}{
		{"no client", func(c *oidc.Config) { c.ClientID = "" }, "ClientID is missing"},
		{"no issuer", func(c *oidc.Config) { c.Issuer = "" }, "Issuer is missing"},
		{"http off loopback", func(c *oidc.Config) { c.Issuer = "http://id.example.com" }, "must use https"},
		{"a name like loopback", func(c *oidc.Config) { c.Issuer = "http://localhost.example.com" }, "must use https"},
		{"credentials in the issuer", func(c *oidc.Config) { c.Issuer = "https://a:b@id.example.com" }, "user name"},
		{"a query in the issuer", func(c *oidc.Config) { c.Issuer = "https://id.example.com?x=1" }, "has a query"},
		{"no secret", func(c *oidc.Config) { c.ClientSecret = secret.Text{} }, "ClientSecret is missing"},
		{"a secret too many", func(c *oidc.Config) { c.ClientAuth = oidc.NoSecret }, "no ClientSecret"},
		{"a method of nobody", func(c *oidc.Config) { c.ClientAuth = "kerberos" }, "not known"},
		{"no callback", func(c *oidc.Config) { c.RedirectURL = "" }, "RedirectURL is missing"},
		{"a relative callback", func(c *oidc.Config) { c.RedirectURL = "/bff/callback" }, "RedirectURL must be an absolute URL"},
		{"no openid", func(c *oidc.Config) { c.Scopes = []string{"email"} }, "lack openid"},
		{"an override of ours", func(c *oidc.Config) { c.AuthorizeParams = map[string]string{"redirect_uri": "https://evil.example"} }, `must not hold "redirect_uri"`},
		{"an audience twice", func(c *oidc.Config) { c.Audience, c.AuthorizeParams = "a", map[string]string{"audience": "b"} }, `must not hold "audience"`},
		{"a resource with a fragment", func(c *oidc.Config) { c.Resource = []string{"https://api.example.com#x"} }, "without fragment"},
		{"an odd max_age", func(c *oidc.Config) { c.AuthorizeParams = map[string]string{"max_age": "soon"} }, "no number of seconds"},
		{"a strategy of nobody", func(c *oidc.Config) { c.Logout = "auth0" }, `Logout "auth0" is not known`},
		{"a fallback of nobody", func(c *oidc.Config) { c.LogoutFallback = "x" }, `LogoutFallback "x" is not known`},
		{"a template that names no host", func(c *oidc.Config) { c.Logout = "https://{client_id}/out" }, "in its query only"},
		{"a template with an odd place", func(c *oidc.Config) { c.Logout = "https://id.example.com/out?to={returnTo}" }, "a template may hold"},
		{"a template without TLS", func(c *oidc.Config) { c.Logout = "http://id.example.com/out?to={return_url}" }, "must use https"},
		{"a discovery document without TLS", func(c *oidc.Config) { c.DiscoveryURL = "http://id.example.com/x" }, "must use https"},
		{"tenants without a template", func(c *oidc.Config) { c.Issuers.Tenants = []string{"t"} }, "both Tenants and Template"},
		{"a template without tenants", func(c *oidc.Config) { c.Issuers.Template = "https://id.example.com/{tenantid}" }, "both Tenants and Template"},
		{"an empty tenant", func(c *oidc.Config) {
			c.Issuers = oidc.Issuers{Tenants: []string{""}, Template: "https://id.example.com/{tenantid}"}
		}, "has an empty one"},
		{"a tenant as host", func(c *oidc.Config) {
			c.Issuers = oidc.Issuers{Tenants: []string{"t"}, Template: "https://{tenantid}.example.com/"}
		}, "in its path"},
		{"tenants and spellings", func(c *oidc.Config) {
			c.Issuers = oidc.Issuers{Tenants: []string{"t"}, Template: "https://id.example.com/{tenantid}", AnySlash: true}
		}, "no AnySlash"},
		{"an endpoint without TLS", func(c *oidc.Config) { c.Endpoints.Token = "http://id.example.com/token" }, "must use https"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, "https://id.example.com")
			row.change(&cfg)
			_, err := oidc.New(cfg)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want it to say %q", err, row.says)
			}
		})
	}
}

func TestEveryCallIsObserved(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string]int)
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) {
		cfg.UserInfo = true
		cfg.Observe = func(c oidc.Call) {
			mu.Lock()
			defer mu.Unlock()
			seen[c.Endpoint+" "+c.Outcome]++
		}
	})
	g := b.login()
	b.idp.Adjust(func(k *devidp.Knobs) { k.Flap = 1 })
	if _, err := b.Refresh(t.Context(), g, session.Target{}); err == nil {
		t.Error("a 503 is no answer")
	}
	if err := b.Revoke(t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: g.RefreshToken}); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"discovery ok", "jwks ok", "token ok", "token transient", "userinfo ok", "revocation ok"} {
		if seen[want] != 1 {
			t.Errorf("%q was seen %d times, want once; all: %v", want, seen[want], seen)
		}
	}
}

func TestNoSecretStandsInALogOrAnError(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{UserInfoFault: devidp.UserInfoError})
	var texts []string
	note := func(err error) {
		if err != nil {
			texts = append(texts, err.Error())
			if in := errors.Unwrap(err); in != nil {
				texts = append(texts, in.Error())
			}
		}
	}
	var codes []string
	for _, fault := range devidp.Faults() {
		b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = fault })
		a := attempt()
		_, err := b.try(a)
		note(err)
		codes = append(codes, a.Nonce, a.Verifier, a.State)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = "" })
	g := b.login()
	for range 3 { // the second presentation is a reuse
		_, err := b.Refresh(t.Context(), g, session.Target{})
		note(err)
	}
	b.idp.Adjust(func(k *devidp.Knobs) {
		k.ErrorNext = []devidp.CannedAnswer{{
			Status: 400,
			Body:   `{"error":"odd","error_description":"token ` + g.RefreshToken.Reveal() + ` for ` + url.QueryEscape(password) + `","trace_id":"` + g.IDToken.Reveal() + `"}`,
		}}
	})
	_, err := b.Refresh(t.Context(), g, session.Target{})
	note(err)
	all := b.log.String() + strings.Join(texts, "\n")
	for _, s := range append(append(b.idp.Tokens(), codes...), password, url.QueryEscape(password)) {
		if len(s) > 3 && strings.Contains(all, s) {
			t.Errorf("a secret was printed: %q in\n%s", s, all)
		}
	}
}
