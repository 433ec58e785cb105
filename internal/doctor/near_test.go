package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// examOf is an examination of a sound configuration, without anybody to ask.
func examOf(t *testing.T, change func(*config.Config)) *exam {
	t.Helper()
	cfg := &config.Config{
		PublicURL: &url.URL{Scheme: "https", Host: "app.example.com"}, BasePath: "/bff", TLS: config.TLS{CertFile: "x"},
		Provider: config.Provider{Issuer: "https://id.example.com", Timeout: 2 * time.Second, Logout: "auto", RevokeOnLogout: true},
	}
	change(cfg)
	return newExam(Patient{Config: cfg, Provider: oidc.Config{Issuer: cfg.Provider.Issuer, RedirectURL: "https://app.example.com/bff/callback"}})
}

func TestWhatTheConfigurationMeansIsTold(t *testing.T) {
	t.Parallel()
	upstream := []*url.URL{{Scheme: "https", Host: "api.example.com"}}
	for _, row := range []struct {
		name    string
		change  func(*config.Config)
		part    func(*exam, *chart)
		verdict Verdict
		check   string
		found   string
	}{
		{"a cookie under https", func(*config.Config) {}, alone, Pass, "session.cookie", "__Host-Http-cloakroom, for app.example.com alone"},
		{"a cookie with a name", func(c *config.Config) { c.Session.Cookie.Name = "__Host-shop" }, alone, Pass, "session.cookie", "__Host-shop, for"},
		{"a route for the same host", func(c *config.Config) { c.Routes = []config.Route{{Host: "APP.example.com"}} }, alone, Pass, "session.cookie", "alone"},
		{"a public route for another host", func(c *config.Config) { c.Routes = []config.Route{{Host: "www.example.com", Access: config.Public}} }, alone, Pass, "session.cookie", "alone"},
		{"the same site", func(*config.Config) {}, alone, Pass, "session.cookie.same_site", "same site, https://example.com, unless anybody"},
		{"the same host", func(c *config.Config) { c.Provider.Issuer = "https://app.example.com/id" }, alone, Pass, "session.cookie.same_site", "in every browser"},
		{"another site", func(c *config.Config) { c.Provider.Issuer = "https://tenant.eu.auth0.com/" }, alone, Pass, "session.cookie.same_site", "third-party cookies"},
		{"another scheme is another site", func(c *config.Config) { c.Provider.Issuer = "http://app.example.com" }, alone, Pass, "session.cookie.same_site", "another site"},
		{"proxies that are trusted", func(c *config.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, alone, Pass, "trusted_proxies", "from 1 networks"},
		{"a known provider without its preset", func(c *config.Config) { c.Provider.Issuer = "https://sso.example.com/realms/shop" }, (*exam).habits, Warn, "provider.preset", "keycloak"},
		{"Okta's own server", func(c *config.Config) {
			c.Provider.Issuer, c.Provider.Preset = "https://example.okta.com", "okta"
			c.Routes = []config.Route{{Upstream: upstream, Token: config.UserToken}}
		}, (*exam).habits, Warn, "provider.issuer", "org authorization server"},
		{"a lost answer where that is forgiven", func(c *config.Config) {
			c.Provider.Preset, c.Session.Refresh.UnknownOutcome = "okta", config.RetryAtOnce
		}, (*exam).habits, Pass, "provider.rotation", "works for a moment"},
		{"nothing to revoke", func(c *config.Config) { c.Provider.RevokeOnLogout = false }, func(e *exam, c *chart) { e.revocation(c, &metadata{}) }, Pass, "provider.revocation", "as configured"},
		{"a logout that stays here", func(c *config.Config) { c.Provider.Logout = "local" }, func(e *exam, c *chart) { e.endSession(t.Context(), c, &metadata{}) }, Pass, "provider.logout", "as configured"},
		{"a back channel without sid", func(*config.Config) {}, func(e *exam, c *chart) { e.logout(t.Context(), c, &metadata{told: true, Backchannel: true}) }, Pass, "provider.backchannel_logout", "all devices"},
		{"a front channel", func(*config.Config) {}, func(e *exam, c *chart) { e.logout(t.Context(), c, &metadata{told: true, Frontchannel: true}) }, Pass, "provider.backchannel_logout", "/bff/frontchannel-logout"},
		{"no channel", func(*config.Config) {}, func(e *exam, c *chart) { e.logout(t.Context(), c, &metadata{told: true}) }, Pass, "provider.backchannel_logout", "next refresh"},
		{"no name at all", func(*config.Config) {}, func(e *exam, c *chart) { e.issuer(c, &metadata{}) }, Fail, "provider.issuer", "names no issuer"},
		{"an answer from a cache", func(c *config.Config) { c.Provider.ClockSkew = time.Minute }, func(e *exam, c *chart) { e.clock(c, dated(time.Now().Add(-time.Hour), "3600")) }, Pass, "provider.clock", "agree"},
		{"an old answer", func(c *config.Config) { c.Provider.ClockSkew = time.Minute }, func(e *exam, c *chart) { e.clock(c, dated(time.Now().Add(-time.Hour), "")) }, Fail, "provider.clock", "behind"},
		{"no date", func(*config.Config) {}, func(e *exam, c *chart) { e.clock(c, &answer{header: http.Header{}}) }, Warn, "provider.clock", "no Date"},
		{"traces for nobody", func(c *config.Config) { c.Telemetry.OTLPEndpoint = "http://127.0.0.1:1" }, func(e *exam, c *chart) { e.telemetry(t.Context(), c) }, Warn, "telemetry.otlp_endpoint", "nobody listens"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := new(chart)
			row.part(examOf(t, row.change), c)
			expect(t, c, row.verdict, row.check, row.found)
			if len(c.lines) > 0 && c.failed() != (row.verdict == Fail) {
				t.Errorf("%q", c.lines)
			}
		})
	}
}

// alone are the parts that ask nobody.
func alone(e *exam, c *chart) {
	e.cookies(context.Background(), c)
	e.proxies(context.Background(), c)
}

func dated(at time.Time, age string) *answer {
	return &answer{header: http.Header{"Date": {at.UTC().Format(http.TimeFormat)}, "Age": {age}}}
}

// A provider may send the browser around before it answers.
func TestAWalkEndsAtTheCallbackAndNowhereElse(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	redirect := func(path, to string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	redirect("/around", "/again")
	redirect("/again", "https://app.example.com/bff/callback?error=login_required&state=s")
	redirect("/fragment", "https://app.example.com/bff/callback#error=login_required&state=s")
	redirect("/loop", "/loop")
	redirect("/plain", "http://id.example.com/")
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("seen"); err == nil {
			http.Redirect(w, r, "/again", http.StatusFound)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		http.Redirect(w, r, "/cookie", http.StatusFound)
	})
	mux.HandleFunc("/page", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	e := examOf(t, func(*config.Config) {})
	for path, want := range map[string]string{
		"/around": "login_required", "/fragment": "login_required", "/cookie": "login_required", "/page": "page",
		"/loop": "without end", "/plain": "redirects to http://id.example.com",
	} {
		end, err := e.walk(t.Context(), server.URL+path)
		got := end.params.Get("error")
		switch {
		case err != nil:
			got = err.Error()
		case end.answer != nil:
			got = "page"
		}
		if !strings.Contains(got, want) || (end.params != nil && end.params.Get("state") != "s") {
			t.Errorf("%s ends with %q, want %q", path, got, want)
		}
	}
}

func TestADocumentIsFetchedOverAFewRedirectsAndNeverOutOfTLS(t *testing.T) {
	t.Parallel()
	from := func(address string) []*http.Request {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		return []*http.Request{req}
	}
	to := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://id.example.com/x", nil)
	if fewRedirects(to, from("https://id.example.com")) == nil {
		t.Error("out of TLS")
	}
	if err := fewRedirects(to, from("http://localhost")); err != nil {
		t.Error(err)
	}
	if fewRedirects(to, make([]*http.Request, 5)) == nil {
		t.Error("on and on")
	}
}

func TestAListenerIsCalledAtAnAddressOfThisMachine(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{":8080": "127.0.0.1:8080", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "10.1.2.3:1": "10.1.2.3:1", "x": "x"} {
		if got := reachable(listen); got != want {
			t.Errorf("%s is called at %s", listen, got)
		}
	}
}
