package proxy

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// guardedHouse is a house whose refusals can be read.
func guardedHouse(t *testing.T) (*house, <-chan Refusal) {
	t.Helper()
	told := make(chan Refusal, 10)
	h := newHouse(t, func(c *Config) { c.Refused = func(r Refusal) { told <- r } })
	return h, told
}

func wantRefusal(t *testing.T, told <-chan Refusal, kind RefusalKind, code Code, route string) Refusal {
	t.Helper()
	select {
	case got := <-told:
		if got.Kind != kind || got.Code != code || got.Route != route || got.Device.Browser != "Firefox" || got.Device.Address != "127.0.0.0/24" {
			t.Errorf("told %+v", got)
		}
		return got
	default:
		t.Fatal("nothing was told")
	}
	return Refusal{}
}

func TestABlockedRequestIsTold(t *testing.T) {
	h, told := guardedHouse(t)
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	for _, row := range []struct{ method, target, route string }{
		{http.MethodPost, "/api/orders", "/api/"},
		{http.MethodPost, "/bff/logout", "bff"},
	} {
		res, err := b.send(t.Context(), row.method, "same-site", "empty", row.target)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, res, http.StatusForbidden, CSRFFailed)
		if got := wantRefusal(t, told, CSRFBlocked, CSRFFailed, row.route); got.Method != row.method {
			t.Errorf("told %+v", got)
		}
	}
}

func TestARefusedLoginIsTold(t *testing.T) {
	h, told := guardedHouse(t)
	b := h.browser(t)
	authorize := b.startLogin(t, "/bff/login")
	asked, err := url.Parse(authorize)
	if err != nil {
		t.Fatal(err)
	}
	answer := url.Values{"state": {asked.Query().Get("state")}, "iss": {h.provider.URL}, "error": {"access_denied"}, "error_description": {"not today"}}
	wantProblem(t, b.visit(t, "cross-site", "/bff/callback?"+answer.Encode()), http.StatusForbidden, AccessDenied)
	if got := wantRefusal(t, told, LoginRefused, AccessDenied, "bff"); got.Err == nil {
		t.Error("the provider's words are lost")
	}
	// A login that succeeds, or that merely begins badly, is none.
	b.signIn(t, "alice", "/")
	wantProblem(t, b.visit(t, "same-origin", "/bff/login?returnUrl=https://evil.example"), http.StatusBadRequest, BadRequest)
	if len(told) != 0 {
		t.Errorf("told %+v", <-told)
	}
}

// Its page hears a plain no; the audit trail hears why, unless the no is the answer.
func TestASilentLoginThatWasRefusedIsTold(t *testing.T) {
	h, told := guardedHouse(t)
	b := h.browser(t)
	b.signInSilently(t) // nobody is signed in at the provider
	if len(told) != 0 {
		t.Errorf("login_required was told: %+v", <-told)
	}
	b.signIn(t, "alice", "/")
	h.provider.Adjust(func(k *devidp.Knobs) {
		k.ErrorNext = []devidp.CannedAnswer{{Status: 400, Body: `{"error":"invalid_grant"}`}}
	})
	b.signInSilently(t)
	wantRefusal(t, told, LoginRefused, LoginFailed, "bff")
	if s := h.live(t, "alice"); len(s) != 1 || s[0].State().Ended != "" {
		t.Error("the refused login ended the session")
	}
}
