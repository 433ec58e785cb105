package oidc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/dpop"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

func bound(cfg *oidc.Config) { cfg.SenderConstrained = oidc.DPoP }

// boundAttempt is a login attempt with a key of its own.
func boundAttempt(t *testing.T, c *oidc.Client) oidc.AuthRequest {
	t.Helper()
	a := attempt()
	var err error
	if a.ProofKey, err = c.NewProofKey(); err != nil || a.ProofKey == "" {
		t.Fatalf("no key: %v", err)
	}
	return a
}

// boundLogin is a login whose tokens are bound.
func (b *bench) boundLogin() *session.Grant {
	b.t.Helper()
	g, err := b.try(boundAttempt(b.t, b.Client))
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

// at returns the requests that came at an endpoint.
func (b *bench) at(e devidp.Endpoint) (found []devidp.Request) {
	for _, r := range b.idp.Requests() {
		if r.Endpoint == e {
			found = append(found, r)
		}
	}
	return found
}

func TestTokensAreBoundToTheKeyOfTheirLogin(t *testing.T) {
	t.Parallel()
	for _, rule := range []devidp.NonceRule{"", devidp.NonceDemanded, devidp.NonceOnce} {
		t.Run("nonces "+string(rule), func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{DPoPRequired: true, DPoPNonce: rule}, bound, func(cfg *oidc.Config) { cfg.UserInfo = true })
			g := b.boundLogin()
			key := g.ProofKey
			for range 10 {
				r := b.refresh(g)
				if r.Access.Key != key || r.Access.Type != "DPoP" || r.ProofKey != "" {
					t.Fatalf("a token of type %q, bound to this key: %v", r.Access.Type, r.Access.Key == key)
				}
				if _, err := b.Verify(t.Context(), g, r.IDToken); err != nil {
					t.Fatal(err)
				}
			}
			traded, err := b.ExchangeToken(t.Context(), g.Access[session.Target{}], session.AccessToken{}, session.Target{Audience: "orders"})
			if err != nil || traded.Key != key || traded.Type != "DPoP" {
				t.Errorf("traded for a %s, %v", traded.Type, err)
			}
			own, err := b.ClientToken(t.Context(), session.Target{Audience: "orders"})
			if err != nil || own.Key == "" || own.Key == key || own.Type != "DPoP" {
				t.Errorf("its own is a %s, %v", own.Type, err)
			}
			parsed, err := dpop.ParseKey(key.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			if got := b.at(devidp.AuthorizeEndpoint)[0].Form.Get("dpop_jkt"); got != parsed.Thumbprint() {
				t.Errorf("dpop_jkt is %q", got)
			}
			s := b.idp.Stats()
			if s.Reuses != 0 || s.ProofReuses != 0 || s.Refreshes != 10 || strings.Contains(b.log.String(), key.Reveal()) {
				t.Errorf("%+v", s)
			}
			if want := map[devidp.NonceRule]int{devidp.NonceDemanded: 14, devidp.NonceOnce: 14}[rule]; want != 0 && s.TokenRequests != want {
				t.Errorf("%d token requests; only the first should have lacked a nonce", s.TokenRequests)
			}
		})
	}
}

func TestAnotherKeyIsWorthNothing(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, bound)
	a := boundAttempt(t, b.Client)
	answer := b.authorize(a)
	a.ProofKey = boundAttempt(t, b.Client).ProofKey
	if _, err := b.Exchange(t.Context(), answer.Get("code"), a); refusalOf(t, err).Code != "invalid_grant" {
		t.Errorf("a code that was bound to another key: %v", err)
	}
	g := b.boundLogin()
	g.ProofKey = a.ProofKey
	if _, err := b.Refresh(t.Context(), g, session.Target{}); failureOf(t, err).Class != session.Refused {
		t.Errorf("a refresh token that was bound to another key: %v", err)
	}
}

// The refresh token was never looked at: it is good, and must not count as one that is lost.
func TestAnEndlessDemandForNoncesIsBounded(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, bound)
	g := b.boundLogin()
	b.idp.Adjust(func(k *devidp.Knobs) { k.DPoPNonce = devidp.NonceEndless })
	before := b.idp.Stats().TokenRequests
	_, err := b.Refresh(t.Context(), g, session.Target{})
	if failed := failureOf(t, err); failed.Class != session.Transient || failed.Code != "use_dpop_nonce" {
		t.Errorf("got %v", err)
	}
	if n := b.idp.Stats().TokenRequests - before; n != 2 {
		t.Errorf("%d token requests", n)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.DPoPNonce = "" })
	b.refresh(g)
}

func TestAProofThatIsNotTakenIsMadeAnewOnce(t *testing.T) {
	t.Parallel()
	var proofs sync.Map
	var calls atomic.Int64
	c := desk(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if _, old := proofs.LoadOrStore(r.Header.Get("DPoP"), true); old || r.Header.Get("DPoP") == "" {
			t.Error("no fresh proof")
		}
		writeJSON(t, w, http.StatusBadRequest, map[string]any{"error": "invalid_dpop_proof"})
	}, bound)
	_, err := c.Refresh(t.Context(), grantOf(c), session.Target{})
	if failed := failureOf(t, err); failed.Class != session.Operator || calls.Load() != 2 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

// A provider that ignores the proof gives tokens that are worth stealing.
func TestABearerTokenIsNotTakenForABoundOne(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, bound)
	g := b.boundLogin()
	for _, kind := range []string{"Bearer", "bearer", "N_A"} {
		b.idp.Adjust(func(k *devidp.Knobs) { k.TokenType = kind })
		_, err := b.try(boundAttempt(t, b.Client))
		if wantRefusal(t, err); !strings.Contains(err.Error(), "token_type") {
			t.Error(err)
		}
		r, err := b.Refresh(t.Context(), g, session.Target{})
		if failureOf(t, err).Class != session.Operator || r == nil || r.RefreshToken == "" || r.Access.Token != "" {
			t.Fatalf("got %+v, %v", r, err)
		}
		g.RefreshToken = r.RefreshToken // it has taken the old one's place
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.TokenType = "dPoP" })
	b.refresh(g)
}

func TestASessionFromBeforeIsBoundAtItsNextRefresh(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	g := b.login()
	if g.ProofKey != "" || g.Access[session.Target{}].Key != "" {
		t.Fatal("a bearer token has a key")
	}
	b.Client = newClient(t, b.idp.Issuer(), bound)
	r := b.refresh(g)
	if r.ProofKey == "" || r.Access.Key != r.ProofKey {
		t.Fatalf("it is not bound: %+v", r)
	}
	g.ProofKey = r.ProofKey
	b.refresh(g)
	// And stays so when nobody asks for it any more.
	b.Client = newClient(t, b.idp.Issuer())
	if r := b.refresh(g); r.Access.Key != g.ProofKey {
		t.Error("the key was dropped")
	}
}

// A server may give another nonce to each request, and take each once.
func TestParallelRefreshesDoNotDisturbEachOthersNonces(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DPoPNonce: devidp.NonceOnce}, bound)
	grants := make([]*session.Grant, 20)
	for i := range grants {
		grants[i] = b.boundLogin()
	}
	var wg sync.WaitGroup
	for _, g := range grants {
		wg.Go(func() {
			for range 3 {
				r, err := b.Refresh(t.Context(), g, session.Target{})
				if err != nil {
					t.Error(err)
					return
				}
				g.RefreshToken = r.RefreshToken
			}
		})
	}
	wg.Wait()
	if s := b.idp.Stats(); s.Reuses != 0 || s.ProofReuses != 0 || s.Refreshes != 60 {
		t.Errorf("%+v", s)
	}
}

// An assertion is good once, so that the request with the nonce needs another.
func TestARepeatedRequestHasAFreshAssertion(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "ES256")
	b := setUpFor(t, devidp.Client{Auth: devidp.PrivateKeyJWT, JWKS: registration(t, keys)}, devidp.Knobs{DPoPNonce: devidp.NonceOnce},
		bound, func(cfg *oidc.Config) { cfg.ClientKeys = keys })
	g := b.boundLogin()
	b.idp.Adjust(func(k *devidp.Knobs) { k.DPoPNonce = devidp.NonceEndless })
	if _, err := b.Refresh(t.Context(), g, session.Target{}); failureOf(t, err).Code != "use_dpop_nonce" {
		t.Error(err)
	}
	b.idp.Adjust(func(k *devidp.Knobs) { k.DPoPNonce = devidp.NonceOnce })
	b.refresh(g)
}

func TestAProviderThatTakesNoProofOfOursIsMisconfigured(t *testing.T) {
	t.Parallel()
	for algs, good := range map[string]bool{`["ES256"]`: true, `["RS256","ES256"]`: true, `["RS256"]`: false, `null`: true} {
		var issuer string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answerWith(t, w, http.StatusOK, fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%[1]q,"token_endpoint":%[1]q,"jwks_uri":%[1]q,"dpop_signing_alg_values_supported":%s}`, issuer, algs))
		}))
		t.Cleanup(server.Close)
		issuer = server.URL
		_, err := newClient(t, issuer, bound).AuthorizationURL(t.Context(), attempt())
		if good != (err == nil) || !good && failureOf(t, err).Class != session.Operator {
			t.Errorf("%s: %v", algs, err)
		}
	}
}

// What belongs to the user's key must not be set from a link.
func TestABrowserCannotSayWhichKeyTheTokensAreBoundTo(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, bound)
	a := boundAttempt(t, b.Client)
	a.Params = url.Values{"dpop_jkt": {"theirs"}}
	_, err := b.AuthorizationURL(t.Context(), a)
	wantRefusal(t, err)
}
