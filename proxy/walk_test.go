package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// house is a gateway on http://localhost and a strict provider on http://127.0.0.1, so
// that a sign-in crosses sites. Behind it is an API that says whom it saw.
type house struct {
	gateway  *Gateway
	provider *devidp.Server
	sessions *session.Manager
	store    *lostStore
	url      string
}

func newHouse(t testing.TB, adjust ...func(*Config)) *house {
	t.Helper()
	return newHouseOf(t, func(*oidc.Config) {}, adjust...)
}

// newHouseOf is a house whose client talks to the provider in another way.
func newHouseOf(t testing.TB, talk func(*oidc.Config), adjust ...func(*Config)) *house {
	t.Helper()
	h := &house{}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.gateway.ServeHTTP(w, r) }))
	_, port, err := net.SplitHostPort(front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://localhost:" + port
	h.provider, err = devidp.Listen(devidp.Config{Clients: []devidp.Client{{
		ID: "app", Secret: "s3cret",
		RedirectURIs:           []string{h.url + "/bff/callback"},
		PostLogoutRedirectURIs: []string{h.url + "/"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.provider.Close)
	talking := oidc.Config{
		Issuer: h.provider.URL, ClientID: "app", ClientSecret: secret.New("s3cret"),
		RedirectURL: h.url + "/bff/callback", PostLogoutURL: h.url + "/",
		Scopes: []string{"openid", "profile", "offline_access"},
	}
	talk(&talking)
	client, err := oidc.New(talking)
	if err != nil {
		t.Fatal(err)
	}
	h.sessions, h.store = newSessions(t, client)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the API saw "+strings.Fields(r.Header.Get("Authorization") + " nobody")[0])
	}))
	t.Cleanup(api.Close)
	upstream, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	public, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		PublicURL: public, Sessions: h.sessions, Provider: client,
		LoginParams: []string{"prompt", "login_hint"},
		Routes:      []Route{{Path: "/api/", Upstream: upstream}, {Path: "/", Upstream: upstream, Access: Public}},
	}
	for _, a := range adjust {
		a(&cfg)
	}
	if h.gateway, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	front.Start()
	t.Cleanup(front.Close)
	return h
}

// browser keeps cookies and sends fetch metadata as browsers do: a Strict cookie stays at
// home when another site sends the browser here.
type browser struct {
	house *house
	mu    sync.Mutex
	jar   map[string]*http.Cookie // guarded by mu
	idp   *http.Client            // the same browser, at the provider
}

func (h *house) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{house: h, jar: map[string]*http.Cookie{}, idp: &http.Client{Jar: jar, Timeout: 10 * time.Second}}
}

// send sends one request to the gateway; what it answers is not followed.
func (b *browser) send(ctx context.Context, method, site, dest, target string) (*http.Response, error) {
	return b.submit(ctx, method, site, dest, target, nil)
}

// submit sends one request with a form.
func (b *browser) submit(ctx context.Context, method, site, dest, target string, form url.Values) (*http.Response, error) {
	u, err := url.Parse(b.house.url)
	if err != nil {
		return nil, err
	}
	if u, err = u.Parse(target); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", site)
	r.Header.Set("Sec-Fetch-Dest", dest)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html")
	if dest == "empty" {
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Accept", "*/*")
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	b.mu.Lock()
	for _, c := range b.jar {
		foreign := site == "cross-site"
		lax := method == http.MethodGet && dest == "document"
		if strings.HasPrefix(u.Path, c.Path) && !(foreign && c.SameSite == http.SameSiteStrictMode) && !(foreign && !lax) {
			r.Header.Add("Cookie", c.Name+"="+c.Value)
		}
	}
	b.mu.Unlock()
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, strings.Replace(addr, "localhost", "127.0.0.1", 1))
			},
		},
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name+c.Path)
		} else {
			b.jar[c.Name+c.Path] = c
		}
	}
	return res, nil
}

// visit is a navigation of the tab: site says where it came from.
func (b *browser) visit(t testing.TB, site, target string) *http.Response {
	t.Helper()
	res, err := b.send(t.Context(), http.MethodGet, site, "document", target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// fetch is what a script of our own page does.
func (b *browser) fetch(t testing.TB, method, target string) *http.Response {
	t.Helper()
	res, err := b.send(t.Context(), method, "same-origin", "empty", target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// cookie returns the value of a cookie that the browser holds.
func (b *browser) cookie(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.jar {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// attempts counts the attempts that the browser holds.
func (b *browser) attempts() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.jar {
		if strings.HasPrefix(c.Name, "cloakroom-attempt-") {
			n++
		}
	}
	return n
}

// startLogin goes to the login and returns where the provider wants to see the browser.
func (b *browser) startLogin(t testing.TB, target string) string {
	t.Helper()
	res := b.visit(t, "same-origin", target)
	if res.StatusCode != http.StatusFound {
		t.Fatalf("login: %s: %s", res.Status, readAll(t, res))
	}
	return res.Header.Get("Location")
}

// atProvider signs in there and returns the callback's address.
func (b *browser) atProvider(t testing.TB, authorizeURL, login string) string {
	t.Helper()
	callback, err := devidp.SignIn(t.Context(), b.idp, authorizeURL, login)
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

// signIn walks the whole login and returns where it ends.
func (b *browser) signIn(t testing.TB, login, returnURL string) string {
	t.Helper()
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?"+url.Values{"returnUrl": {returnURL}}.Encode()), login)
	return hopTarget(t, b.visit(t, "cross-site", callback))
}

// signInSilently walks the login in a frame of our page and returns the callback's answer.
func (b *browser) signInSilently(t testing.TB) *http.Response {
	t.Helper()
	res, err := b.send(t.Context(), http.MethodGet, "same-origin", "iframe", "/bff/login?prompt=none")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, res.Header.Get("Location"), nil)
	if err != nil {
		t.Fatal(err)
	}
	idp := *b.idp
	idp.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if res, err = idp.Do(r); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	// The frame belongs to our page: the request counts as one of the same site.
	if res, err = b.send(t.Context(), http.MethodGet, "same-site", "iframe", res.Header.Get("Location")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func (b *browser) session(t testing.TB) sessionInfo {
	t.Helper()
	return decode[sessionInfo](t, b.fetch(t, http.MethodGet, "/bff/session"))
}

// live are the sessions of a subject that have not ended.
func (h *house) live(t testing.TB, subject string) []*session.Session {
	t.Helper()
	all, err := h.sessions.OfSubject(t.Context(), h.provider.URL, subject)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(s *session.Session) bool { return s.State().Ended != "" })
}

// in returns target with its query changed.
func in(t testing.TB, target string, change func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return u.String()
}
