package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// pushing turns the provider of a house into one that takes pushed requests only.
func (h *house) pushing() {
	h.provider.Adjust(func(k *devidp.Knobs) { k.Push = devidp.Demanded })
}

func (h *house) failPushes(status int, body string) {
	h.provider.Adjust(func(k *devidp.Knobs) {
		k.ErrorNext = []devidp.CannedAnswer{{At: devidp.PushEndpoint, Status: status, Body: body, Times: -1}}
	})
}

func TestALoginIsPushedAtTheMomentOfTheRedirect(t *testing.T) {
	h := newHouse(t)
	h.pushing()
	b := h.browser(t)
	if res := b.visit(t, "cross-site", "/bff/login"); res.StatusCode != http.StatusOK || h.provider.Stats().Pushes != 0 {
		t.Errorf("the hop before the login: %s, %d pushed", res.Status, h.provider.Stats().Pushes)
	}
	if got := b.signIn(t, "alice", "/here"); got != "/here" || h.provider.Stats().Pushes != 1 {
		t.Errorf("it ends at %s after %d pushed requests", got, h.provider.Stats().Pushes)
	}
	if body := readAll(t, b.signInSilently(t)); !strings.Contains(body, "isLoggedIn: true") || h.provider.Stats().Pushes != 2 {
		t.Errorf("the silent login: %s", body)
	}
}

// What goes wrong between the gateway and the provider is a page: no attempt begins, no
// parameter goes through the browser instead, and the next click starts anew.
func TestALoginThatCannotBePushedIsAPage(t *testing.T) {
	for _, row := range []struct {
		name, body string
		sent       int
		status     int
		code       Code
	}{
		{"refused", `{"error":"invalid_request","error_description":"<b>no</b>"}`, 400, 400, LoginFailed},
		{"denied", `{"error":"access_denied"}`, 400, 403, AccessDenied},
		{"the client is not known", `{"error":"invalid_client"}`, 401, 503, GatewayMisconfigured},
		{"down", `{}`, 503, 503, IDPUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t)
			h.pushing()
			h.failPushes(row.sent, row.body)
			b := h.browser(t)
			res := b.visit(t, "same-origin", "/bff/login?returnUrl=/here")
			wantProblem(t, res, row.status, row.code)
			page := readAll(t, res)
			if !strings.Contains(page, "returnUrl=%2Fhere") || strings.Contains(page, "<b>no") || strings.Contains(page, "code_challenge") {
				t.Errorf("the page has no way back, or too much: %s", page)
			}
			if b.attempts() != 0 || res.Header.Get("Location") != "" {
				t.Error("an attempt began")
			}
			h.provider.Adjust(func(k *devidp.Knobs) { k.ErrorNext = nil })
			if got := b.signIn(t, "alice", "/here"); got != "/here" {
				t.Errorf("the next login ends at %s", got)
			}
		})
	}
}

func TestAStepUpThatCannotBePushedCostsNoSession(t *testing.T) {
	c := vault(t)
	c.pushing()
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	ticket := b.cookie("cloakroom")
	login := b.visit(t, "same-origin", "/vault/deed").Header.Get("Location")
	for _, fault := range []struct {
		status int
		body   string
	}{{503, `{}`}, {400, `{"error":"unmet_authentication_requirements"}`}, {400, `{"error":"invalid_request"}`}} {
		c.failPushes(fault.status, fault.body)
		res := b.visit(t, "same-origin", login)
		if page := readAll(t, res); res.StatusCode < 400 || !strings.Contains(page, demandParam+"=") {
			t.Errorf("%s, or a page that forgot what the login is for: %s", res.Status, page)
		}
	}
	if res := b.fetch(t, http.MethodGet, "/api/"); res.StatusCode != http.StatusOK || b.cookie("cloakroom") != ticket {
		t.Fatalf("the session has suffered: %s", res.Status)
	}
	c.provider.Adjust(func(k *devidp.Knobs) { k.ErrorNext = nil })
	if got := hopTarget(t, b.stepUp(t, "/vault/deed", "alice")); got != "/vault/deed" {
		t.Errorf("the step-up ends at %s", got)
	}
	var asked url.Values
	for _, r := range c.provider.Requests() {
		if r.Endpoint == devidp.PushEndpoint {
			asked = r.Form
		}
	}
	if asked.Get("acr_values") != "gold platinum" || asked.Get("max_age") != "600" {
		t.Errorf("the last login asked for %v", asked)
	}
	if res := b.fetch(t, http.MethodGet, "/vault/deed"); res.StatusCode != http.StatusOK {
		t.Errorf("after the step-up: %s", res.Status)
	}
}

func TestASilentLoginThatCannotBePushedTellsThePage(t *testing.T) {
	h := newHouse(t)
	h.pushing()
	b := h.browser(t)
	b.signIn(t, "alice", "/")
	h.failPushes(http.StatusServiceUnavailable, `{}`)
	res, err := b.send(t.Context(), http.MethodGet, "same-origin", "iframe", "/bff/login?prompt=none")
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, "isLoggedIn: false") || !b.session(t).Authenticated {
		t.Errorf("%s: %s", res.Status, body)
	}
}
