package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

// ask returns the parameters of an authorization request.
func (b *bench) ask(a oidc.AuthRequest) url.Values {
	b.t.Helper()
	target, err := b.AuthorizationURL(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.Query()
}

func TestTheAuthorizationRequestSaysAllThatItHasTo(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) {
		cfg.Audience = "https://api.example.com"
		cfg.Resource = []string{"https://a.example.com/x?y=1", "urn:b"}
		cfg.AuthorizeParams = map[string]string{"access_type": "offline", "ui_locales": "de"}
	})
	a := attempt()
	a.Params = url.Values{"prompt": {"login"}, "ui_locales": {"fr"}, "login_hint": {""}}
	got := b.ask(a)
	sum := sha256.Sum256([]byte(a.Verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback},
		"scope": {"openid profile email offline_access"}, "state": {a.State}, "nonce": {a.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"audience": {"https://api.example.com"}, "resource": {"https://a.example.com/x?y=1", "urn:b"},
		"access_type": {"offline"}, "ui_locales": {"fr"}, "prompt": {"login"},
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("%s is %q, want %q", name, got[name], values)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there is more than was asked for: %v", got)
	}
}

func TestALoginCannotSetWhatIsTheGatewaysOwn(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{})
	for _, params := range []url.Values{
		{"redirect_uri": {"https://evil.example"}},
		{"state": {"x"}},
		{"scope": {"admin"}},
		{"code_challenge_method": {"plain"}},
		{"response_mode": {"fragment"}},
		{"request_uri": {"https://evil.example"}},
		{"prompt": {"login", "none"}},
		{"max_age": {"-1"}},
		{"max_age": {"99999999999999999999"}},
	} {
		a := attempt()
		a.Params = params
		_, err := b.AuthorizationURL(t.Context(), a)
		if refused := refusalOf(t, err); refused.Code != "invalid_request" {
			t.Errorf("%v: %v", params, err)
		}
	}
}

func TestWhatTheOperatorDemandsCannotBeWeakened(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, func(cfg *oidc.Config) {
		cfg.AuthorizeParams = map[string]string{"acr_values": "mfa", "max_age": "600"}
	})
	a := attempt()
	a.Params = url.Values{"acr_values": {"none"}, "max_age": {"86400"}}
	if got := b.ask(a); got.Get("acr_values") != "mfa" || got.Get("max_age") != "600" {
		t.Errorf("got %v", got)
	}
	a.Params = url.Values{"max_age": {"60"}}
	if got := b.ask(a); got.Get("max_age") != "60" {
		t.Errorf("a shorter max_age is a sharper demand: %v", got)
	}
}

func TestTheAnswersIssuerIsCompared(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		knobs     devidp.Knobs
		iss       string // appended to the issuer
		present   bool
		want      bool
		elsewhere string // in place of the issuer
	}{
		{name: "equal", present: true, want: true},
		{name: "a slash more", iss: "/", present: true},
		{name: "another", elsewhere: "https://evil.example", present: true},
		{name: "empty", elsewhere: " ", present: true},
		{name: "missing though announced"},
		{name: "missing and not announced", knobs: devidp.Knobs{DiscoveryWithoutIss: true}, want: true},
		{name: "equal and not announced", knobs: devidp.Knobs{DiscoveryWithoutIss: true}, present: true, want: true},
		{name: "another and not announced", knobs: devidp.Knobs{DiscoveryWithoutIss: true}, elsewhere: "x", present: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, row.knobs)
			iss := b.Issuer() + row.iss
			if row.elsewhere != "" {
				iss = row.elsewhere
			}
			err := b.CheckIssuer(t.Context(), iss, row.present)
			if row.want {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err)
		})
	}
}
