package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func TestMetadataAreFoundWhateverTheIssuersPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/tenant", "/tenant/"} {
		t.Run("path "+path, func(t *testing.T) {
			t.Parallel()
			b := setUpAt(t, path, devidp.Knobs{})
			if err := b.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := b.Ready(); err != nil {
				t.Error(err)
			}
			if g := b.login(); g.Issuer != b.idp.Issuer() {
				t.Errorf("the grant's issuer is %q", g.Issuer)
			}
		})
	}
}

// metadata is a discovery document; rows change it.
func metadata(issuer string) map[string]any {
	return map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"jwks_uri": issuer + "/jwks", "end_session_endpoint": issuer + "/end", "code_challenge_methods_supported": []string{"S256"},
	}
}

func TestMetadataThatMustNotBeUsedAreTheOperatorsMatter(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(doc map[string]any, issuer string)
		says   []string
	}{
		{"a slash more", func(doc map[string]any, issuer string) { doc["issuer"] = issuer + "/" }, []string{`/"`, "configured as"}},
		{"somebody else's", func(doc map[string]any, _ string) { doc["issuer"] = "https://evil.example" }, []string{"https://evil.example", "http://127.0.0.1"}},
		{"no issuer", func(doc map[string]any, _ string) { delete(doc, "issuer") }, []string{`""`}},
		{"only plain PKCE", func(doc map[string]any, _ string) { doc["code_challenge_methods_supported"] = []string{"plain"} }, []string{"S256"}},
		{"no token endpoint", func(doc map[string]any, _ string) { delete(doc, "token_endpoint") }, []string{"token_endpoint"}},
		{"only symmetric signatures", func(doc map[string]any, _ string) {
			doc["id_token_signing_alg_values_supported"] = []string{"HS256", "none"}
		}, []string{"signing_alg"}},
		{"an endpoint without TLS", func(doc map[string]any, _ string) { doc["token_endpoint"] = "http://id.example.com/token" }, []string{"must use https"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				doc := metadata(server.URL)
				row.change(doc, server.URL)
				writeJSON(t, w, http.StatusOK, doc)
			}))
			t.Cleanup(server.Close)
			c := newClient(t, server.URL)
			_, err := c.AuthorizationURL(t.Context(), attempt())
			if failed := failureOf(t, err); failed.Class != session.Operator || !errors.Is(err, oidc.ErrNotReady) {
				t.Errorf("got %v (class %v)", err, failed.Class)
			}
			for _, says := range row.says {
				if ready := c.Ready(); ready == nil || !strings.Contains(ready.Error(), says) {
					t.Errorf("Ready says %v, not %q", ready, says)
				}
			}
			if _, err := c.Exchange(t.Context(), "code", attempt()); failureOf(t, err).Class != session.Operator {
				t.Errorf("Exchange: %v", err)
			}
		})
	}
}

func TestMissingChallengeMethodsAreNoObstacle(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DiscoveryWithoutPKCE: true})
	b.login()
}

func TestAProviderThatIsDownIsTransient(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DiscoveryDown: true})
	if err := b.Ready(); !errors.Is(err, oidc.ErrNotReady) {
		t.Errorf("before anybody asked: %v", err)
	}
	_, err := b.AuthorizationURL(t.Context(), attempt())
	if !errors.Is(err, oidc.ErrNotReady) {
		t.Errorf("AuthorizationURL: %v", err)
	}
	if _, refresh := errors.AsType[*session.RefreshError](err); refresh {
		t.Errorf("an outage is no fault of the set-up: %v", err)
	}
	if err := b.Ready(); !strings.Contains(fmt.Sprint(err), "503") {
		t.Errorf("Ready does not say why: %v", err)
	}
	g := grantOf(b.Client)
	_, err = b.Refresh(t.Context(), g, session.Target{})
	if failureOf(t, err).Class != session.Transient {
		t.Errorf("Refresh: %v", err)
	}
	if target := b.LogoutURL(g, "x"); target != "" {
		t.Errorf("a logout leads to %q", target)
	}
	if err := b.Revoke(t.Context(), session.Revocation{Issuer: g.Issuer, ClientID: g.ClientID, Token: "x"}); !errors.Is(err, oidc.ErrNotReady) {
		t.Errorf("Revoke: %v", err)
	}
	if _, err := b.Verify(t.Context(), g, "x"); err == nil || errors.Is(err, session.ErrIdentity) {
		t.Errorf("Verify: %v", err)
	}

	b.idp.Adjust(func(k *devidp.Knobs) { k.DiscoveryDown = false })
	b.clock.advance(time.Second)
	b.login() // without Run
}

func TestAFailedDiscoveryIsNotRepeatedAtEveryCall(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DiscoveryDown: true}, func(cfg *oidc.Config) {
		stopped := time.Now()
		cfg.Now = func() time.Time { return stopped }
	})
	for range 20 {
		if _, err := b.AuthorizationURL(t.Context(), attempt()); err == nil {
			t.Fatal("there are no metadata")
		}
	}
	if n := b.idp.Stats().DiscoveryRequests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestParallelCallsShareOneDiscoveryThatNobodyCancels(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	held := b.idp.Hold(devidp.DiscoveryEndpoint)
	leaving, leave := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := b.AuthorizationURL(leaving, attempt()); !errors.Is(err, oidc.ErrNotReady) {
			t.Errorf("the one that left: %v", err)
		}
	})
	<-held.Arrived()
	for range 5 {
		group.Go(func() {
			if _, err := b.AuthorizationURL(t.Context(), attempt()); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	held.Release()
	group.Wait()
	if n := b.idp.Stats().DiscoveryRequests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// inMemory serves a handler without a network, so that a test can run in a bubble.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestRunWorksWithinTenSecondsAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		var calls atomic.Int32
		issuer := "https://id.example.com"
		c := newClient(t, issuer, func(cfg *oidc.Config) {
			cfg.Transport = inMemory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				if !up.Load() {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				writeJSON(t, w, http.StatusOK, metadata(issuer))
			})}
		})
		done := make(chan error, 1)
		go func() { done <- c.Run(t.Context()) }()
		<-time.After(10 * time.Minute) // of the bubble's clock
		if n := calls.Load(); n < 100 || n > 400 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		up.Store(true)
		back := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := c.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{Down: true})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConfiguredEndpointsDoWithoutDiscovery(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	base := b.idp.Issuer()
	b.idp.Adjust(func(k *devidp.Knobs) { k.DiscoveryDown = true })
	b.Client = newClient(t, base, func(cfg *oidc.Config) {
		cfg.Endpoints = oidc.Endpoints{Authorization: base + "/authorize", Token: base + "/token", JWKS: base + "/jwks"}
	})
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
	g := b.login()
	if target := b.LogoutURL(g, "x"); target != "" {
		t.Errorf("nobody knows of %s", target)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.DiscoveryDown = false })
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if target := b.LogoutURL(g, "x"); target == "" {
		t.Error("what discovery told beyond the configuration is not used")
	}
}

func TestRunContentsItselfWithConfiguredEndpoints(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"no discovery document": http.NotFound,
		"somebody else's": func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(t, w, http.StatusOK, metadata("https://evil.example"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := desk(t, answer)
			if err := c.Run(t.Context()); err != nil {
				t.Error(err)
			}
			target, err := c.AuthorizationURL(t.Context(), attempt())
			if err != nil || !strings.HasPrefix(target, c.Issuer()+"/authorize?") {
				t.Errorf("%s, %v", target, err)
			}
		})
	}
}

func TestAnAnswerWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for {
			if _, err := w.Write(chunk); err != nil {
				return // as it should be
			}
		}
	}))
	t.Cleanup(server.Close)
	c := newClient(t, server.URL, func(cfg *oidc.Config) { cfg.Timeout = 5 * time.Second })
	began := time.Now()
	_, err := c.AuthorizationURL(t.Context(), attempt())
	if !strings.Contains(fmt.Sprint(err), "1 MiB") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it was read on for %v", took)
	}
}

func TestDiscoveryFollowsNoRedirectOutOfTLS(t *testing.T) {
	t.Parallel()
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(evil.Close)
	server := httptest.NewTLSServer(http.RedirectHandler(evil.URL, http.StatusFound))
	t.Cleanup(server.Close)
	c := newClient(t, server.URL, func(cfg *oidc.Config) { cfg.Transport = server.Client().Transport })
	if _, err := c.AuthorizationURL(t.Context(), attempt()); !strings.Contains(fmt.Sprint(err), "redirect") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownCertificateIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	silence(server.Config)
	t.Cleanup(server.Close)
	c := newClient(t, server.URL)
	if _, err := c.AuthorizationURL(t.Context(), attempt()); !strings.Contains(fmt.Sprint(err), "certificate") {
		t.Errorf("got %v", err)
	}
}
