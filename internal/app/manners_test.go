package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
	"github.com/cloakroom-bff/cloakroom/session/boltstore"
)

// A parlour is a gateway and a provider in one synctest bubble: what runs between them is
// no network, so that hours pass in no time.
type parlour struct {
	t        *testing.T
	idp      *devidp.Provider
	wire     *wire
	gateway  http.Handler
	sessions *session.Manager
	jar      http.CookieJar
	ends     []session.Reason
	audit    safeBuffer
}

const (
	parlourURL  = "http://localhost:8080"
	providerURL = "http://127.0.0.1:5001"
)

// wire carries the gateway's and the browser's requests to the provider.
type wire struct {
	provider http.Handler
	lose     atomic.Int32 // so many answers of the token endpoint get lost
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (res *http.Response, err error) {
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	served.Host, served.RemoteAddr, served.RequestURI = r.URL.Host, "127.0.0.1:1", r.URL.RequestURI()
	defer func() {
		if broken := recover(); broken == http.ErrAbortHandler { //nolint:errorlint // recover returns no error
			res, err = nil, io.ErrUnexpectedEOF
		} else if broken != nil {
			panic(broken)
		}
	}()
	recorder := httptest.NewRecorder()
	w.provider.ServeHTTP(recorder, served)
	if strings.HasSuffix(r.URL.Path, "/token") && w.lose.Load() > 0 {
		w.lose.Add(-1)
		return nil, io.ErrUnexpectedEOF
	}
	res = recorder.Result()
	res.Request = r
	return res, nil
}

// open starts both. path is that of the issuer, lines are further ones of the provider's
// section.
func openParlour(t *testing.T, preset, path string, keys *devidp.Keys, lines ...string) *parlour {
	t.Helper()
	knobs, ok := devidp.Manners(preset)
	if !ok {
		t.Fatalf("nobody knows the manners of %s", preset)
	}
	knobs.AutoLogin, knobs.AccessTokenTTL = "alice", time.Minute
	h := &parlour{t: t}
	var err error
	h.idp, err = devidp.New(devidp.Config{
		Issuer: providerURL + path, Knobs: knobs, Keys: keys,
		Clients: []devidp.Client{{ID: "bff", Secret: "secret", RedirectURIs: []string{parlourURL + "/bff/callback"}, PostLogoutRedirectURIs: []string{parlourURL + "/"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.wire = &wire{provider: h.idp}
	if h.jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	h.assemble(h.configure(preset, path, lines))
	return h
}

// configure loads a file with the preset and little else.
func (h *parlour) configure(preset, path string, lines []string) *config.Config {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
public_url: %s
provider:
  preset: %s
  issuer: %s
  client_id: bff
  client_secret: secret
  %s
session: {keys: ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
routes: [{path: /, files: ., access: public}]
`, parlourURL, preset, providerURL+path, strings.Join(lines, "\n  "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	cfg, _, err := config.Load(file, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return cfg
}

// assemble wires what New wires, but for the listeners and the network.
func (h *parlour) assemble(cfg *config.Config) {
	h.t.Helper()
	x := extras{Surroundings: Surroundings{Log: slog.New(slog.DiscardHandler)}, event: func(e session.Event) {
		if e.Kind == session.Ended {
			h.ends = append(h.ends, e.Reason)
		}
	}}
	a := &App{log: x.Log, shapes: shapes{}, metrics: telemetry.NewMetrics("test"), audit: telemetry.NewAudit(slog.NewJSONHandler(&h.audit, nil))}
	p, err := providerConfig(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	p.Transport = h.wire
	provider, err := oidc.New(p)
	if err != nil {
		h.t.Fatal(err)
	}
	store, err := boltstore.Open(cfg.Session.Store.Bolt, boltstore.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	a.store = store
	if a.sessions, err = newSessions(cfg, a, provider, x); err != nil {
		h.t.Fatal(err)
	}
	if h.gateway, err = newGateway(cfg, a, provider, nil); err != nil {
		h.t.Fatal(err)
	}
	h.sessions = a.sessions
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- errors.Join(a.sessions.Run(ctx), store.Close()) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
}

// send is one request of the browser.
func (h *parlour) send(method, target, site, mode string) *http.Response {
	h.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = parlourURL + target
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, target, nil)
	r.Header.Set("Sec-Fetch-Site", site)
	r.Header.Set("Sec-Fetch-Mode", mode)
	if mode == "navigate" {
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Accept", "text/html")
	}
	for _, c := range h.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	recorder := httptest.NewRecorder()
	h.gateway.ServeHTTP(recorder, r)
	res := recorder.Result()
	h.jar.SetCookies(r.URL, res.Cookies())
	return res
}

// signIn walks the login and returns the authorization request and the session.
func (h *parlour) signIn() (url.Values, *session.Session) {
	h.t.Helper()
	res := h.send(http.MethodGet, "/bff/login?returnUrl=/", "same-origin", "navigate")
	target, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusFound {
		h.t.Fatalf("the login answered %s, %v", res.Status, err)
	}
	back, err := devidp.SignIn(h.t.Context(), &http.Client{Transport: h.wire, Jar: h.jar}, target.String(), "alice")
	if err != nil {
		h.t.Fatal(err)
	}
	if res = h.send(http.MethodGet, back, "cross-site", "navigate"); res.StatusCode != http.StatusOK {
		h.t.Fatalf("the callback answered %s", res.Status)
	}
	return target.Query(), h.session()
}

// session is the browser's.
func (h *parlour) session() *session.Session {
	h.t.Helper()
	for _, c := range h.jar.Cookies(&url.URL{Scheme: "http", Host: "localhost:8080", Path: "/"}) {
		if s, err := h.sessions.Open(h.t.Context(), c.Value); err == nil {
			return s
		}
	}
	h.t.Fatal("the browser has no session")
	return nil
}

// token is what a request to an API asks for.
func (h *parlour) token(s *session.Session) error {
	at, err := s.Token(h.t.Context(), session.Target{})
	if err == nil && !h.idp.Active(at.Token.Reveal()) {
		return errors.New("the provider would not take the access token")
	}
	return err
}

// signOut returns where the browser is sent after POST /bff/logout, and has gone there.
func (h *parlour) signOut() *url.URL {
	h.t.Helper()
	res := h.send(http.MethodPost, "/bff/logout", "same-origin", "cors")
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("the logout answered %s, %v", res.Status, err)
	}
	_, onward, _ := strings.Cut(string(body), `"redirect_url":"`)
	onward, _, _ = strings.Cut(onward, `"`)
	res = h.send(http.MethodGet, strings.ReplaceAll(onward, `\u0026`, "&"), "same-origin", "navigate")
	target, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		h.t.Fatal(err)
	}
	if target.Host == "" {
		return target
	}
	client := &http.Client{Transport: h.wire, Jar: h.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, target.String(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	there, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer there.Body.Close()
	if back := there.Header.Get("Location"); there.StatusCode != http.StatusSeeOther || !strings.HasPrefix(back, parlourURL+"/") {
		h.t.Errorf("the provider answered the logout %s, to %q", there.Status, back)
	}
	return target
}
