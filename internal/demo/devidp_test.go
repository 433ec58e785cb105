package demo_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/demo"
	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

const callback = "http://localhost:8080/bff/callback"

// client is a client of the development provider that does what the gateway does.
type client struct{ idp *devidp.Server }

// token posts to the token endpoint.
func (c client) token(t *testing.T, form url.Values) (status int, answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
},
) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.idp.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("demo", "secret")
	resp, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// code signs alice in and returns the form that redeems her code.
func (c client) code(t *testing.T) url.Values {
	t.Helper()
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	back, err := devidp.SignIn(t.Context(), new(http.Client), c.idp.URL+"/authorize?"+url.Values{
		"client_id": {"demo"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid offline_access"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {b64(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func TestTheAPITakesTheDevelopmentProvidersTokens(t *testing.T) {
	t.Parallel()
	idp, err := devidp.Listen(devidp.Config{Clients: []devidp.Client{{ID: "demo", Secret: "secret", RedirectURIs: []string{callback}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idp.Close)
	backend, err := demo.New(demo.Config{Issuer: idp.URL, Outage: demo.Outage(idp.Provider), Gateway: new(gateway)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	b := &bench{Backend: backend}
	c := client{idp}

	status, first := c.token(t, c.code(t))
	if status != http.StatusOK {
		t.Fatal("sign-in:", status)
	}
	hello := func(token string) int {
		return b.ask(t, http.MethodGet, "/api/hello", "Authorization", "Bearer "+token).Code
	}
	if got := hello(first.Access); got != http.StatusOK {
		t.Errorf("a fresh token: %d", got)
	}
	if got := hello(first.Refresh); got != http.StatusUnauthorized {
		t.Errorf("a refresh token: %d", got)
	}

	// An outage stops refreshes and nothing else, and uses no refresh token up.
	if got := b.press(t); got != http.StatusOK {
		t.Fatal("break:", got)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}}
	for range 3 {
		if status, _ := c.token(t, refresh); status != http.StatusServiceUnavailable {
			t.Errorf("a refresh while it is broken: %d", status)
		}
	}
	if got := hello(first.Access); got != http.StatusOK {
		t.Errorf("the token that holds: %d", got)
	}
	backend.Close()
	if status, second := c.token(t, refresh); status != http.StatusOK || hello(second.Access) != http.StatusOK {
		t.Errorf("a refresh afterwards: %d", status)
	}
}
