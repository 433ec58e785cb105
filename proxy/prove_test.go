package proxy

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
	"github.com/cloakroom-bff/cloakroom/session"
)

// bank is an API that takes bound tokens only, with a proof that is for the very request
// (RFC 9449 §4.3). It shares no code with the gateway.
type bank struct {
	t     testing.TB
	calls int // guarded by mu, as is what follows
	mu    sync.Mutex
	rule  devidp.NonceRule
	known map[string]bool // nonces that are good
	used  map[string]bool // proofs
	fail  string          // the next request is refused with this error
	tell  string          // the challenge's scheme
	body  string          // of the last request that was let in
}

func (v *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if r.Header["Dpop-Nonce"] != nil || len(r.Header["Dpop"]) != 1 {
		v.t.Errorf("%d proofs", len(r.Header["Dpop"]))
	}
	problem := v.judge(r)
	if v.fail != "" {
		problem, v.fail = v.fail, ""
	}
	if v.rule != "" {
		nonce := rand.Text()
		v.known[nonce] = true
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if problem != "" {
		w.Header().Set("WWW-Authenticate", v.tell+` ERROR="`+problem+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	v.body = string(body)
	_, _ = io.WriteString(w, "let in")
}

// judge returns an error code, "" if the request may come in.
func (v *bank) judge(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	signed, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || kind != "DPoP" {
		v.t.Errorf("scheme %q, proof: %v", kind, err)
		return "invalid_token"
	}
	head := signed.Signatures[0].Protected
	body, err := signed.Verify(head.JSONWebKey)
	if err != nil || head.ExtraHeaders["typ"] != "dpop+jwt" {
		v.t.Error("a false proof", err)
		return "invalid_dpop_proof"
	}
	var claims struct{ JTI, HTM, HTU, ATH, Nonce string }
	var access struct {
		Cnf struct{ JKT string }
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token+"..", ".")[1])
	if json.Unmarshal(body, &claims) != nil || json.Unmarshal(payload, &access) != nil {
		v.t.Error("no JSON")
	}
	sum, _ := head.JSONWebKey.Thumbprint(crypto.SHA256)
	hash := sha256.Sum256([]byte(token))
	path, _, _ := strings.Cut(r.RequestURI, "?")
	for what, pair := range map[string][2]string{
		"jkt": {access.Cnf.JKT, base64.RawURLEncoding.EncodeToString(sum)},
		"ath": {claims.ATH, base64.RawURLEncoding.EncodeToString(hash[:])},
		"htm": {claims.HTM, r.Method},
		"htu": {claims.HTU, "http://" + r.Host + path},
	} {
		if pair[0] != pair[1] {
			v.t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}
	if v.used[claims.JTI] {
		v.t.Error("a proof came twice")
	}
	v.used[claims.JTI] = true
	if v.rule == devidp.NonceEndless || v.rule != "" && !v.known[claims.Nonce] {
		return "use_dpop_nonce"
	}
	if v.rule == devidp.NonceOnce {
		delete(v.known, claims.Nonce)
	}
	return ""
}

func (v *bank) set(rule devidp.NonceRule, fail string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rule, v.fail, v.calls = rule, fail, 0
}

func (v *bank) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

// newBank makes an API that wants tokens bound, behind all routes.
func newBank(t testing.TB, routes ...Route) (*bank, *counter) {
	t.Helper()
	v := &bank{t: t, known: map[string]bool{}, used: map[string]bool{}, tell: "dPoP"}
	for i := range routes {
		routes[i].Upstream = serverOf(t, v)
	}
	return v, newBound(t, routes...)
}

// newBound makes a house in which tokens are bound.
func newBound(t testing.TB, routes ...Route) *counter {
	t.Helper()
	c := &counter{house: newHouse(t, func(cfg *Config) {
		provider, err := oidc.New(oidc.Config{
			Issuer: cfg.Provider.Issuer(), ClientID: "app", ClientSecret: secret.New("s3cret"), SenderConstrained: oidc.DPoP,
			RedirectURL: cfg.PublicURL.String() + "/bff/callback", Scopes: []string{"openid", "profile", "offline_access"},
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Routes, cfg.Provider = routes, provider
		cfg.Sessions, _ = newSessions(t, provider)
	})}
	c.sessions = c.gateway.cfg.Sessions
	return c
}

func serverOf(t testing.TB, h http.Handler) *url.URL {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestABoundTokenGoesOutWithAProofOfItsOwn(t *testing.T) {
	v, c := newBank(t, Route{Path: "/api/"}, Route{Path: "/client/", Token: ClientToken}, Route{Path: "/traded/", Token: ExchangedToken, Target: session.Target{Audience: "orders"}})
	alice := c.signIn(t)
	for _, rule := range []devidp.NonceRule{"", devidp.NonceDemanded, devidp.NonceOnce} {
		v.set(rule, "")
		for _, row := range []struct{ method, target, body string }{
			{"GET", "/api/orders?x=1", ""},
			{"GET", "/api/a%20b;c/%C3%A9", ""},
			{"POST", "/api/orders", "a body"},
			{"DELETE", "/client/x", ""},
			{"GET", "/traded/x", ""},
		} {
			req := alice.request(t, row.method, row.target, strings.NewReader(row.body))
			req.Header.Set("DPoP", "the client's own")
			res := alice.do(req)
			if res.Code != http.StatusOK || res.Header()["Dpop-Nonce"] != nil || v.body != row.body {
				t.Errorf("%s %s: %d, nonce %q, body %q", row.method, row.target, res.Code, res.Header()["Dpop-Nonce"], v.body)
			}
		}
		if n := v.count(); n != map[devidp.NonceRule]int{"": 5, devidp.NonceDemanded: 8, devidp.NonceOnce: 5}[rule] {
			t.Errorf("nonces %q: %d calls", rule, n)
		}
	}
	if n := c.provider.Stats().Refreshes; n != 0 {
		t.Errorf("%d refreshes: a proof was taken for a token", n)
	}
}

func TestParallelCallsDoNotDisturbEachOthersNonces(t *testing.T) {
	v, c := newBank(t, Route{Path: "/api/"})
	alice := c.signIn(t)
	v.set(devidp.NonceOnce, "")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				if res := alice.do(alice.request(t, http.MethodPost, "/api/orders", strings.NewReader("body"))); res.Code != http.StatusOK {
					t.Errorf("status %d", res.Code)
				}
			}
		})
	}
	wg.Wait()
	if n := c.provider.Stats().Refreshes; n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// What the API says in the end is its own word, and no reason to refresh.
func TestADemandForTheProofIsMetOnce(t *testing.T) {
	v, c := newBank(t, Route{Path: "/api/"})
	alice := c.signIn(t)
	v.set(devidp.NonceEndless, "")
	if res := alice.get(t, "/api/orders"); res.Code != http.StatusUnauthorized || v.count() != 2 || res.Header().Get("Cloakroom-Error") != "" {
		t.Errorf("status %d after %d calls", res.Code, v.count())
	}
	v.set("", "invalid_dpop_proof")
	if res := alice.get(t, "/api/orders"); res.Code != http.StatusOK || v.count() != 2 {
		t.Errorf("status %d after %d calls", res.Code, v.count())
	}
	if n := c.provider.Stats().Refreshes; n != 0 {
		t.Errorf("%d refreshes: a proof was taken for a token", n)
	}
}

func TestABodyThatHasGoneIsNotSentAgain(t *testing.T) {
	v, c := newBank(t, Route{Path: "/api/"})
	alice := c.signIn(t)
	v.set(devidp.NonceDemanded, "")
	for i, status := range []int{http.StatusUnauthorized, http.StatusOK} { // the first one brings the nonce
		body := io.MultiReader(strings.NewReader("of unknown"), strings.NewReader(" length"))
		if res := alice.do(alice.request(t, http.MethodPost, "/api/orders", body)); res.Code != status || v.count() != i+1 || res.Header()["Dpop-Nonce"] != nil {
			t.Errorf("status %d after %d calls", res.Code, v.count())
		}
	}
}

func TestABoundTokenThatIsRefusedIsReplacedByABoundOne(t *testing.T) {
	v, c := newBank(t, Route{Path: "/api/"})
	alice := c.signIn(t)
	if res := alice.get(t, "/api/orders"); res.Code != http.StatusOK {
		t.Fatal(res.Code)
	}
	// Not minted for this request: the gateway asks for another one.
	v.set(devidp.NonceOnce, "invalid_token")
	if res := alice.do(alice.request(t, http.MethodPost, "/api/orders", strings.NewReader("again"))); res.Code != http.StatusOK || v.body != "again" {
		t.Errorf("status %d, body %q", res.Code, v.body)
	}
	if s := c.provider.Stats(); s.Refreshes != 1 || s.Reuses != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAProofIsForTheServerThatGetsTheRequest(t *testing.T) {
	v := &bank{t: t, known: map[string]bool{}, used: map[string]bool{}, tell: "DPoP", rule: devidp.NonceOnce}
	c := newBound(t, Route{Path: "/api/", Upstream: serverOf(t, v), Replicas: []*url.URL{serverOf(t, v), nobody(t)}})
	alice := c.signIn(t)
	for range 20 {
		if res := alice.get(t, "/api/orders"); res.Code != http.StatusOK {
			t.Fatal(res.Code)
		}
	}
}

func TestAFrontProxyGetsNoTokenThatItCannotProve(t *testing.T) {
	_, c := newBank(t, Route{Path: "/api/"})
	alice := c.signIn(t)
	x := &exchange{w: httptest.NewRecorder(), client: client{host: c.gateway.cfg.PublicURL.Host, proto: "http"}}
	err := c.gateway.verify(x, alice.request(t, http.MethodGet, "/api/orders", nil), traefik)
	if p := c.gateway.problemOf(err); p == nil || p.Code != GatewayMisconfigured || x.Header().Get("Authorization") != "" {
		t.Errorf("got %v", err)
	}
}
