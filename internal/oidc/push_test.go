package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// pushes are the requests that came to the provider's endpoint for them.
func (b *bench) pushes() (all []devidp.Request) {
	for _, r := range b.idp.Requests() {
		if r.Endpoint == devidp.PushEndpoint {
			all = append(all, r)
		}
	}
	return all
}

func TestARequestIsPushedWhereTheProviderTakesIt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		push   devidp.Offer
		usage  oidc.Usage
		pushed bool
	}{
		{"", oidc.ByProvider, false},
		{devidp.Offered, oidc.ByProvider, true},
		{devidp.Offered, oidc.Always, true},
		{devidp.Offered, oidc.Never, false},
		{devidp.Demanded, "", true},
	} {
		t.Run(string(row.push)+" "+string(row.usage), func(t *testing.T) {
			t.Parallel()
			b := setUp(t, devidp.Knobs{Push: row.push}, func(cfg *oidc.Config) { cfg.PAR = row.usage })
			b.login()
			if n := len(b.pushes()); n != 1 && row.pushed || n != 0 && !row.pushed {
				t.Errorf("%d requests were pushed", n)
			}
		})
	}
}

func TestTheBrowserCarriesAReferenceAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{Push: devidp.Demanded}, func(cfg *oidc.Config) {
		cfg.Resource, cfg.AuthorizeParams = []string{"urn:b"}, map[string]string{"ui_locales": "de"}
	})
	a := attempt()
	a.Params = url.Values{"login_hint": {"alice"}}
	got := b.ask(a)
	if len(got) != 2 || got.Get("client_id") != clientID || !strings.HasPrefix(got.Get("request_uri"), "urn:") {
		t.Errorf("the browser carries %v", got)
	}
	sent := b.pushes()[0]
	for name, want := range map[string]string{
		"client_id": clientID, "state": a.State, "nonce": a.Nonce, "redirect_uri": callback, "response_type": "code",
		"code_challenge_method": "S256", "resource": "urn:b", "ui_locales": "de", "login_hint": "alice",
	} {
		if !slices.Equal(sent.Form[name], []string{want}) {
			t.Errorf("%s is %q, want %q", name, sent.Form[name], want)
		}
	}
	if sent.Form.Has("request_uri") || sent.Form.Has("code_verifier") || !strings.HasPrefix(sent.Header.Get("Authorization"), "Basic ") {
		t.Errorf("pushed %v, %v", sent.Form, sent.Header)
	}
}

func TestEachLoginPushesItsOwnRequest(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{Push: devidp.Offered})
	a := attempt()
	if one, other := b.ask(a).Get("request_uri"), b.ask(a).Get("request_uri"); one == other || len(b.pushes()) != 2 {
		t.Errorf("%q and %q of %d pushed requests", one, other, len(b.pushes()))
	}
}

// Whatever the endpoint answers, the parameters do not go through the browser instead.
func TestARequestThatCannotBePushedIsNoLogin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer devidp.CannedAnswer
		class  session.Class // of the failure
		code   string        // of the refusal, if it is one
	}{
		{"refused", devidp.CannedAnswer{Status: 400, Body: `{"error":"invalid_request"}`}, 0, "invalid_request"},
		{"a scope", devidp.CannedAnswer{Status: 400, Body: `{"error":"invalid_scope"}`}, 0, "invalid_scope"},
		{"an acr", devidp.CannedAnswer{Status: 400, Body: `{"error":"unmet_authentication_requirements"}`}, 0, oidc.DemandUnmet},
		{"the client", devidp.CannedAnswer{Status: 401, Body: `{"error":"invalid_client"}`}, session.Operator, ""},
		{"not this client", devidp.CannedAnswer{Status: 403, Body: `{"error":"unauthorized_client"}`}, session.Operator, ""},
		{"too many", devidp.CannedAnswer{Status: 429, Body: `{}`}, session.Transient, ""},
		{"down", devidp.CannedAnswer{Status: 503, Body: `<html>`}, session.Transient, ""},
		{"elsewhere", devidp.CannedAnswer{Status: 307, Headers: map[string]string{"Location": "http://evil.example/"}}, session.Transient, ""},
		{"no JSON", devidp.CannedAnswer{Status: 201, Body: `request_uri=urn:x`}, session.Transient, ""},
		{"no reference", devidp.CannedAnswer{Status: 201, Body: `{"expires_in":60}`}, session.Transient, ""},
		{"half a reference", devidp.CannedAnswer{Status: 201, Body: `{"request_uri":"urn:x`}, session.Unknown, ""},
		{"no URI", devidp.CannedAnswer{Status: 201, Body: `{"request_uri":"x&prompt=none"}`}, session.Transient, ""},
		{"a list", devidp.CannedAnswer{Status: 201, Body: `{"request_uri":["urn:x"]}`}, session.Transient, ""},
		{"too long", devidp.CannedAnswer{Status: 201, Body: `{"request_uri":"urn:` + strings.Repeat("x", 4000) + `"}`}, session.Transient, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.answer.At = devidp.PushEndpoint
			b := setUp(t, devidp.Knobs{Push: devidp.Offered, ErrorNext: []devidp.CannedAnswer{row.answer}})
			target, err := b.AuthorizationURL(t.Context(), attempt())
			if target != "" {
				t.Errorf("the browser goes to %s", target)
			}
			if row.code != "" {
				if refused := refusalOf(t, err); refused.Code != row.code {
					t.Errorf("refused with %q: %v", refused.Code, err)
				}
				return
			}
			if failed := failureOf(t, err); failed.Class != row.class {
				t.Errorf("%s: %v", failed.Class, err)
			}
		})
	}
}

func TestAPushEndsWithItsTimeOut(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{
		Push:   devidp.Offered,
		Timing: devidp.Timing{Mode: devidp.Hang, At: []devidp.Endpoint{devidp.PushEndpoint}},
	}, func(cfg *oidc.Config) { cfg.Timeout = 50 * time.Millisecond })
	_, err := b.AuthorizationURL(t.Context(), attempt())
	if failed := failureOf(t, err); failed.Class != session.Unknown {
		t.Error(err)
	}
}

func TestWhoIsNotAdmittedPushesNothing(t *testing.T) {
	t.Parallel()
	full := errors.New("the line is full")
	asked := 0
	admit := func(context.Context) error { asked++; return full }
	for _, push := range []devidp.Offer{"", devidp.Offered} {
		b := setUp(t, devidp.Knobs{Push: push})
		a := attempt()
		a.Admit = admit
		_, err := b.AuthorizationURL(t.Context(), a)
		if pushes := push != ""; pushes && !errors.Is(err, full) || !pushes && err != nil || asked > 0 != pushes || len(b.pushes()) > 0 {
			t.Errorf("%q: %v, %d asked, %d pushed", push, err, asked, len(b.pushes()))
		}
	}
}

func TestAProviderThatTakesNoPushedRequestsIsMisconfigured(t *testing.T) {
	t.Parallel()
	asked := func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") }
	c := desk(t, asked, func(cfg *oidc.Config) { cfg.PAR = oidc.Always })
	_, err := c.AuthorizationURL(t.Context(), attempt())
	if failed := failureOf(t, err); failed.Class != session.Operator || !strings.Contains(err.Error(), "pushed_authorization_request_endpoint") {
		t.Error(err)
	}
}

func TestTheEndpointForPushedRequestsCanBeConfigured(t *testing.T) {
	t.Parallel()
	var path string
	c := desk(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"request_uri":"urn:example:1","expires_in":60}`)
	}, func(cfg *oidc.Config) {
		cfg.Endpoints.PushedAuthorizationRequest = strings.Replace(cfg.Endpoints.Token, "/token", "/pushed", 1)
	})
	target, err := c.AuthorizationURL(t.Context(), attempt())
	if err != nil || path != "/pushed" || !strings.HasSuffix(target, "?client_id=gate%3Away&request_uri=urn%3Aexample%3A1") {
		t.Errorf("%s by %s: %v", target, path, err)
	}
	if _, err := oidc.New(oidc.Config{Issuer: "https://id.example.com", ClientID: "app", ClientAuth: oidc.NoSecret, RedirectURL: callback, PAR: "sometimes"}); err == nil {
		t.Error("a usage that there is not is taken")
	}
}
