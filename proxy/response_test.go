package proxy

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
)

func houseOf(t testing.TB, mode oidc.ResponseMode) *house {
	t.Helper()
	return newHouseOf(t, func(cfg *oidc.Config) { cfg.ResponseMode = mode })
}

// post is the form of the provider's page, at the address that devidp.SignIn returned.
func (b *browser) post(t testing.TB, dest, callback string) *http.Response {
	t.Helper()
	to, fields, _ := strings.Cut(callback, "?")
	form, err := url.ParseQuery(fields)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.submit(t.Context(), http.MethodPost, "cross-site", dest, to, form)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// comeBack takes the provider's answer to the callback, in the mode of the house.
func (b *browser) comeBack(t testing.TB, callback string) *http.Response {
	t.Helper()
	if !b.house.gateway.cfg.Provider.AnswersByPost() {
		return b.visit(t, "cross-site", callback)
	}
	return b.visit(t, "same-origin", hopTarget(t, b.post(t, "document", callback)))
}

func TestALoginComesBackInEachMode(t *testing.T) {
	for _, mode := range []oidc.ResponseMode{"", oidc.Query, oidc.FormPost, oidc.Signed, oidc.SignedQuery, oidc.SignedPost} {
		t.Run(string(mode), func(t *testing.T) {
			h := houseOf(t, mode)
			b := h.browser(t)
			callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/here"), "alice")
			if got := hopTarget(t, b.comeBack(t, callback)); got != "/here" || !b.session(t).Authenticated {
				t.Fatalf("it ends at %s", got)
			}
			// The back button: the attempt is gone, and the session leads where it led.
			res := b.comeBack(t, callback)
			if res.StatusCode == http.StatusOK { // the Strict ticket stayed at home
				res = b.visit(t, "same-origin", hopTarget(t, res))
			}
			if to := res.Header.Get("Location"); to != "/here" {
				t.Errorf("once more: %s to %s", res.Status, to)
			}
			if h.provider.Stats().CodeReuses != 0 || len(h.live(t, "alice")) != 1 {
				t.Error("the code was presented twice, or there are two sessions")
			}
		})
	}
}

func TestTheCodeOfAFormStandsInNoPageAndNoAddress(t *testing.T) {
	for _, mode := range []oidc.ResponseMode{oidc.FormPost, oidc.SignedPost} {
		h := houseOf(t, mode)
		b := h.browser(t)
		callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		code := u.Query().Get("code")
		if mode == oidc.SignedPost {
			code = strings.Split(u.Query().Get("response"), ".")[1]
		}
		res := b.post(t, "document", callback)
		page := readAll(t, res)
		if code == "" || strings.Contains(page, code) || strings.Contains(page, base64.URLEncoding.EncodeToString([]byte(code))) {
			t.Errorf("%s: the hop shows the code: %s", mode, page)
		}
		if res.StatusCode != http.StatusOK || len(res.Cookies()) != 0 || h.provider.Stats().TokenRequests != 0 {
			t.Errorf("%s: %s, cookies %v", mode, res.Status, res.Cookies())
		}
	}
}

func TestAFormIsTakenWhereItWasAskedForOnly(t *testing.T) {
	h := houseOf(t, oidc.Query)
	b := h.browser(t)
	res := b.post(t, "document", "/bff/callback?code=x&state=y")
	wantProblem(t, res, http.StatusMethodNotAllowed, MethodNotAllowed)
	if got := res.Header.Get("Allow"); got != http.MethodGet {
		t.Errorf("Allow: %s", got)
	}
}

// postAs sends a body of some type to the callback, from nobody's browser.
func (h *house) postAs(t testing.TB, kind, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/bff/callback", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Content-Type"] = []string{kind}
	res, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestABadFormIsRefusedBeforeAnyWork(t *testing.T) {
	h := houseOf(t, oidc.FormPost)
	b := h.browser(t)
	state := queryOf(t, b.startLogin(t, "/bff/login")).Get("state")
	for name, row := range map[string]struct {
		form   string
		status int
		code   Code
	}{
		"nothing":         {"", 400, BadRequest},
		"no state":        {"code=x", 400, BadRequest},
		"no code":         {"state=" + state, 400, BadRequest},
		"a code twice":    {"code=x&code=y&state=" + state, 400, BadRequest},
		"our own mark":    {"code=x&stale=1&state=" + state, 400, BadRequest},
		"a hole":          {"code=%zz&state=" + state, 400, BadRequest},
		"another's state": {"code=x&state=abc", 400, LoginFailed},
		"too large":       {"code=" + strings.Repeat("x", maxCallbackForm) + "&state=" + state, 413, BodyTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			res := h.postAs(t, "application/x-www-form-urlencoded", row.form)
			wantProblem(t, res, row.status, row.code)
		})
	}
	for _, kind := range []string{"", "text/plain", "multipart/form-data; boundary=x"} {
		res := h.postAs(t, kind, "code=x&state="+state)
		wantProblem(t, res, http.StatusBadRequest, BadRequest)
	}
	if h.provider.Stats().TokenRequests != 0 {
		t.Error("a code was presented")
	}
}

// Another browser that is sent the form, or the hop that came of it, gets nothing of it.
func TestAFormSignsInTheBrowserThatBeganAndNoOther(t *testing.T) {
	h := houseOf(t, oidc.FormPost)
	attacker, victim := h.browser(t), h.browser(t)
	callback := attacker.atProvider(t, attacker.startLogin(t, "/bff/login"), "alice")
	for _, b := range []*browser{victim, attacker} {
		res := b.visit(t, "same-origin", hopTarget(t, victim.post(t, "document", callback)))
		if signedIn := b.session(t).Authenticated; signedIn != (b == attacker) {
			t.Errorf("%s, signed in: %v", res.Status, signedIn)
		}
	}
}

func TestASilentLoginComesBackByForm(t *testing.T) {
	h := houseOf(t, oidc.FormPost)
	b := h.browser(t)
	b.comeBack(t, b.atProvider(t, b.startLogin(t, "/bff/login"), "alice"))
	res, err := b.send(t.Context(), http.MethodGet, "same-origin", "iframe", "/bff/login?prompt=none")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	callback := b.atProvider(t, res.Header.Get("Location"), "alice")
	hop := b.post(t, "iframe", callback)
	if policy := hop.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'self'") {
		t.Errorf("the hop cannot be framed: %s", policy)
	}
	if res, err = b.send(t.Context(), http.MethodGet, "same-origin", "iframe", hopTarget(t, hop)); err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); !strings.Contains(body, "isLoggedIn: true") {
		t.Errorf("%s: %s", res.Status, body)
	}
}

// Who sits in the browser cannot have an answer taken that the provider did not sign.
func TestAnAnswerThatIsNotSignedIsNoneWhereTheyAre(t *testing.T) {
	h := houseOf(t, oidc.Signed)
	b := h.browser(t)
	login := b.startLogin(t, "/bff/login")
	state := queryOf(t, login).Get("state")
	for _, plain := range []url.Values{
		{"state": {state}, "code": {"stolen"}, "iss": {h.provider.URL}},
		{"state": {state}, "error": {"access_denied"}, "iss": {h.provider.URL}},
	} {
		wantProblem(t, b.visit(t, "cross-site", "/bff/callback?"+plain.Encode()), http.StatusBadRequest, BadRequest)
	}
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"state":"` + state + `","code":"stolen","iss":"` + h.provider.URL + `","aud":"app","exp":9999999999}`))
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"RS256"}`} {
		forged := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + ".AAAA"
		wantProblem(t, b.visit(t, "cross-site", "/bff/callback?response="+forged), http.StatusBadRequest, LoginFailed)
	}
	if h.provider.Stats().TokenRequests != 0 || b.attempts() != 1 {
		t.Errorf("%d codes were presented, %d attempts are left", h.provider.Stats().TokenRequests, b.attempts())
	}
	if res := b.comeBack(t, b.atProvider(t, login, "alice")); res.StatusCode != http.StatusOK || !b.session(t).Authenticated {
		t.Errorf("the true answer: %s", res.Status)
	}
}

// What a refusal says counts after its signature does.
func TestASignedRefusalIsARefusal(t *testing.T) {
	for _, mode := range []oidc.ResponseMode{oidc.Signed, oidc.SignedPost} {
		h := houseOf(t, mode)
		h.provider.Adjust(func(k *devidp.Knobs) { k.AuthorizeError = "access_denied" })
		b := h.browser(t)
		res := b.comeBack(t, b.atProvider(t, b.startLogin(t, "/bff/login"), "alice"))
		wantProblem(t, res, http.StatusForbidden, AccessDenied)
		if b.attempts() != 0 {
			t.Error("the attempt is left")
		}
	}
}

func TestASignedAnswerOfAnotherIssuerIsRefused(t *testing.T) {
	for _, fault := range []devidp.IssFault{devidp.IssMissing, devidp.IssWrong} {
		h := houseOf(t, oidc.Signed)
		h.provider.Adjust(func(k *devidp.Knobs) { k.IssInCallback = fault })
		b := h.browser(t)
		res := b.comeBack(t, b.atProvider(t, b.startLogin(t, "/bff/login"), "alice"))
		wantProblem(t, res, http.StatusBadRequest, LoginFailed)
		if h.provider.Stats().TokenRequests != 0 {
			t.Error("the code was presented")
		}
	}
}
