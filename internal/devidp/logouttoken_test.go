package devidp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestALogoutTokenIsPosted(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	forms := make(chan url.Values, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		forms <- r.PostForm
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(gateway.Close)
	status, err := p.idp.SendLogoutToken(t.Context(), gateway.URL+"/bff/backchannel-logout", devidp.LogoutToken{Client: "app:1", SID: "s1", Subject: "alice"})
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("status %d, %v", status, err)
	}
	if answers := p.idp.LogoutAnswers(); len(answers) != 1 || answers[0].Status != http.StatusAccepted {
		t.Errorf("answers %+v", answers)
	}
	form := <-forms
	claims := payload(t, form.Get("logout_token"))
	events, ok := claims["events"].(map[string]any)
	if !ok || events["http://schemas.openid.net/event/backchannel-logout"] == nil || claims["sid"] != "s1" || claims["sub"] != "alice" || claims["aud"] != "app:1" || !form.Has("unknown") {
		t.Errorf("form %v, claims %v", form, claims)
	}
	if got := p.verdict(form.Get("logout_token")); got != "" {
		t.Errorf("signature: %q", got)
	}
	if _, err := p.idp.SendLogoutToken(t.Context(), "https://example.com/", devidp.LogoutToken{}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a logout token was to leave the machine: %v", err)
	}
}

func TestLogoutTokensCanBeForged(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	claim := func(name string, want any) func(map[string]any) bool {
		return func(c map[string]any) bool { return c[name] == want }
	}
	for _, row := range []struct {
		fault     devidp.LogoutFault
		signature string
		claims    func(map[string]any) bool
	}{
		{devidp.LogoutForeignKey, "unknown kid", claim("iss", p.idp.URL)},
		{devidp.LogoutAlgNone, "none", claim("iss", p.idp.URL)},
		{devidp.LogoutHMAC, "HS256 under an unknown kid", claim("iss", p.idp.URL)},
		{devidp.LogoutWrongIssuer, "", claim("iss", "https://evil.example")},
		{devidp.LogoutWrongAudience, "", claim("aud", "somebody-else")},
		{devidp.LogoutNoEvent, "", claim("events", nil)},
		{devidp.LogoutWrongEvent, "", func(c map[string]any) bool { return c["events"] != nil }},
		{devidp.LogoutWithNonce, "", claim("nonce", "a-nonce")},
		{devidp.LogoutExpired, "", func(c map[string]any) bool { return c["exp"].(float64)-c["iat"].(float64) == 120 }},
		{devidp.LogoutStale, "", func(c map[string]any) bool { return c["exp"].(float64)-c["iat"].(float64) > 3600 }},
		{devidp.LogoutMissingJTI, "", claim("jti", nil)},
		{devidp.LogoutMissingIssued, "", claim("iat", nil)},
		{devidp.LogoutIDToken, "", claim("events", nil)},
		{devidp.LogoutPlainType, "", claim("jti", "j1")},
		{devidp.LogoutTypeMissing, "", claim("jti", "j1")},
		{devidp.LogoutAccessType, "", claim("jti", "j1")},
	} {
		t.Run(string(row.fault), func(t *testing.T) {
			t.Parallel()
			token, err := p.idp.NewLogoutToken(devidp.LogoutToken{Client: "app:1", SID: "s1", JTI: "j1", Fault: row.fault})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.verdict(token); got != row.signature {
				t.Errorf("signature: %q, want %q", got, row.signature)
			}
			if c := payload(t, token); !row.claims(c) {
				t.Errorf("claims %v", c)
			}
		})
	}
}

func TestAnEndedSessionIsAnnounced(t *testing.T) {
	t.Parallel()
	forms := make(chan url.Values, 10)
	var status atomic.Int64
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		forms <- r.PostForm
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(gateway.Close)
	p := newPartyWith(t, devidp.Config{Clients: []devidp.Client{{
		ID: "app:1", Secret: secret, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{afterward},
		BackchannelLogoutURI: gateway.URL,
	}}})
	for _, s := range []int64{http.StatusOK, http.StatusBadRequest} {
		status.Store(s)
		hint := p.login().str("id_token")
		p.login() // one more grant of the same session
		location(t, p.endSession(url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {afterward}}))
		if len(forms) != 1 { // before the browser's answer
			t.Fatalf("%d logout tokens", len(forms))
		}
		got, want := payload(t, (<-forms).Get("logout_token")), payload(t, hint)
		if got["sid"] != want["sid"] || got["sub"] != want["sub"] || got["aud"] != want["aud"] {
			t.Errorf("told %v of %v", got, want)
		}
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.LogoutTokenFault, k.LogoutTokenType = devidp.LogoutNoEvent, "JWT" })
	location(t, p.endSession(url.Values{"id_token_hint": {p.login().str("id_token")}, "post_logout_redirect_uri": {afterward}}))
	if got := payload(t, (<-forms).Get("logout_token")); got["events"] != nil {
		t.Errorf("told %v, which was to be spoiled", got)
	}
	location(t, p.endSession(url.Values{"post_logout_redirect_uri": {afterward}, "client_id": {"app:1"}}))
	if n := p.idp.Stats().LogoutTokens; len(forms) != 0 || n != 1 {
		t.Errorf("%d more tokens, %d taken", len(forms), n)
	}
}

func TestClientsElsewhereAreNotTold(t *testing.T) {
	t.Parallel()
	_, err := devidp.Listen(devidp.Config{Clients: []devidp.Client{{ID: "a", BackchannelLogoutURI: "https://example.com/"}}})
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
}
