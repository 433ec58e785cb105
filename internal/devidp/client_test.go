package devidp_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

const (
	callback  = "http://localhost:8080/bff/callback"
	afterward = "http://localhost:8080/"
	secret    = "s3cret: % + / ü"
)

// sharedKeys spare each test a tenth of a second.
var sharedKeys = sync.OnceValues(devidp.NewKeys)

// party is a relying party as small as one can be. It checks nothing, and asks for
// everything by hand, so that a test can get any part of a request wrong.
type party struct {
	t        *testing.T
	idp      *devidp.Server
	http     *http.Client // with a jar, follows no redirect
	verifier string
	auth     func(*http.Request, url.Values) // how it authenticates; nil means basic
}

func newParty(t *testing.T, knobs devidp.Knobs) *party {
	t.Helper()
	return newPartyWith(t, devidp.Config{Knobs: knobs})
}

func newPartyWith(t *testing.T, cfg devidp.Config) *party {
	t.Helper()
	if cfg.Clients == nil {
		cfg.Clients = []devidp.Client{
			{ID: "app:1", Secret: secret, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{afterward}},
			{ID: "public", RedirectURIs: []string{callback}},
			{ID: "other", Secret: "other", RedirectURIs: []string{callback}},
		}
	}
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Keys = keys
	idp, err := devidp.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idp.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &party{
		t: t, idp: idp, verifier: rand.Text() + rand.Text(),
		http: &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func basic(id, secret string) func(*http.Request, url.Values) {
	return func(r *http.Request, _ url.Values) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// endpoint returns the address of a path below the issuer.
func (p *party) endpoint(path string) string { return strings.TrimSuffix(p.idp.URL, "/") + path }

// authorizeURL returns a good request, changed by changes; an empty value removes one.
func (p *party) authorizeURL(changes url.Values) string {
	digest := sha256.Sum256([]byte(p.verifier))
	q := url.Values{
		"client_id": {"app:1"}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"the-state"}, "nonce": {"the-nonce"},
		"scope":          {"openid profile email offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range changes {
		q[name] = values
		if len(values) == 1 && values[0] == "" {
			q.Del(name)
		}
	}
	return p.endpoint("/authorize?") + q.Encode()
}

// signIn returns the query of the callback after a login as alice.
func (p *party) signIn(changes url.Values) url.Values {
	p.t.Helper()
	return p.signInAs("alice", changes)
}

func (p *party) signInAs(login string, changes url.Values) url.Values {
	p.t.Helper()
	address, err := devidp.SignIn(p.t.Context(), p.http, p.authorizeURL(changes), login)
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// reply is an answer of the provider.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any // nil if the body is no JSON object
}

func (r reply) str(name string) string {
	s, _ := r.json[name].(string)
	return s
}

func (p *party) do(req *http.Request) (reply, error) {
	resp, err := p.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, text: string(body)}
	if json.Unmarshal(body, &r.json) != nil {
		r.json = nil
	}
	return r, nil
}

func (p *party) get(address string) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := p.do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// send posts a form as the client; the error is the connection's.
func (p *party) send(ctx context.Context, path string, form url.Values) (reply, error) {
	auth := p.auth
	if auth == nil {
		auth = basic("app:1", secret)
	}
	// The authentication may add to the form or to the headers.
	draft, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint(path), nil)
	if err != nil {
		return reply{}, err
	}
	auth(draft, form)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint(path), strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	req.Header = draft.Header
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req)
}

func (p *party) post(path string, form url.Values) reply {
	p.t.Helper()
	r, err := p.send(p.t.Context(), path, form)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *party) codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {p.verifier}}
}

func refreshForm(rt string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rt}}
}

// login walks through a whole login.
func (p *party) login() reply {
	p.t.Helper()
	return p.mustAnswer(p.post("/token", p.codeForm(p.signIn(nil).Get("code"))))
}

func (p *party) refresh(rt string) reply {
	p.t.Helper()
	return p.post("/token", refreshForm(rt))
}

// mustRefresh returns the answer and the refresh token to go on with.
func (p *party) mustRefresh(rt string) (reply, string) {
	p.t.Helper()
	r := p.mustAnswer(p.refresh(rt))
	if next := r.str("refresh_token"); next != "" {
		return r, next
	}
	return r, rt
}

func (p *party) mustAnswer(r reply) reply {
	p.t.Helper()
	if r.status != http.StatusOK {
		p.t.Fatalf("status %d, error %q (%q)", r.status, r.str("error"), r.str("error_description"))
	}
	return r
}

func (p *party) mustRefuse(r reply, code string) {
	p.t.Helper()
	if r.status < 400 || r.str("error") != code {
		p.t.Fatalf("status %d, error %q (%q), want error %q", r.status, r.str("error"), r.str("error_description"), code)
	}
}

func (p *party) userinfo(token string) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.endpoint("/userinfo"), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	r, err := p.do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// payload returns the claims of a JWT, unchecked.
func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
