package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// A visit is a browser in one module.
type visit struct {
	*stage
	t       *testing.T
	browser *http.Client
	before  devidp.Stats // of the provider, when the module began
}

// answer is what a browser gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// again is another browser, in which nobody is signed in.
func (v *visit) again() *visit {
	v.t.Helper()
	other := *v
	other.browser = newBrowser(v.t)
	return &other
}

// beside is another browser as far as the gateway can see, and the same one for the provider: its
// login comes out of the same session there.
func (v *visit) beside() *visit {
	v.t.Helper()
	there, err := url.Parse(v.provider.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	other := v.again()
	other.browser.Jar.SetCookies(there, v.browser.Jar.Cookies(there))
	return other
}

func (v *visit) misbehave(how func(*devidp.Knobs)) { v.provider.Adjust(how) }

// send is one request, with the metadata that a browser sends along.
func (v *visit) send(method, target, site, mode, dest string) answer {
	v.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = v.origin + target
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, http.NoBody)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", site)
	r.Header.Set("Sec-Fetch-Mode", mode)
	r.Header.Set("Sec-Fetch-Dest", dest)
	if mode == "navigate" {
		r.Header.Set("Accept", "text/html")
	}
	res, err := v.browser.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (v *visit) navigate(target, site string) answer {
	v.t.Helper()
	return v.send(http.MethodGet, target, site, "navigate", "document")
}

func (v *visit) script(method, path string) answer {
	v.t.Helper()
	return v.send(method, path, "same-origin", "cors", "empty")
}

// setOut goes to the provider, and returns where it sends the browser, which has not gone there.
func (v *visit) setOut() (callback string) {
	v.t.Helper()
	login := v.navigate("/bff/login?returnUrl=/", "same-origin")
	if login.status != http.StatusFound {
		v.t.Fatalf("the login answered %d %s", login.status, login.body)
	}
	callback, err := devidp.SignIn(v.t.Context(), v.browser, login.header.Get("Location"), "alice")
	if err != nil {
		v.t.Fatal(err)
	}
	return callback
}

// signIn is a login that has to work, with a call to the API after it.
func (v *visit) signIn() {
	v.t.Helper()
	v.comeBack(v.setOut())
}

func (v *visit) comeBack(callback string) {
	v.t.Helper()
	if a := v.navigate(callback, "cross-site"); a.status != http.StatusOK {
		v.t.Fatalf("the callback answered %d %s", a.status, a.header.Get("Cloakroom-Error"))
	}
	v.isSignedIn()
}

func (v *visit) isSignedIn() {
	v.t.Helper()
	if !v.authenticated() {
		v.t.Error("/bff/session says that nobody is signed in")
	}
	if a := v.script(http.MethodGet, "/api/orders"); a.status != http.StatusOK {
		v.t.Errorf("a call answered %d %s %s", a.status, a.header.Get("Cloakroom-Error"), a.header.Get("WWW-Authenticate"))
	}
}

func (v *visit) authenticated() bool {
	v.t.Helper()
	a := v.script(http.MethodGet, "/bff/session")
	var session struct{ Authenticated bool }
	if err := json.Unmarshal([]byte(a.body), &session); err != nil || a.status != http.StatusOK {
		v.t.Fatalf("/bff/session answered %d, %v", a.status, err)
	}
	return session.Authenticated
}

// refuse is a login that must not work, for the reason that the log gives.
func (v *visit) refuse(reason string) {
	v.t.Helper()
	v.refuseCallback(v.setOut(), reason)
	if n := v.provider.Stats().UserInfoRequests - v.before.UserInfoRequests; n != 0 {
		v.t.Errorf("userinfo was asked %d times after a token that is no good", n)
	}
}

func (v *visit) refuseCallback(callback, reason string) {
	v.t.Helper()
	a := v.navigate(callback, "cross-site")
	if code := a.header.Get("Cloakroom-Error"); a.status != http.StatusBadRequest || code != "login_failed" {
		v.t.Errorf("the callback answered %d %q", a.status, code)
	}
	if !v.log.says(reason) {
		v.t.Errorf("the log does not say %q", reason)
	}
	v.isOut()
}

// isOut is what "refused" means: no ticket that is good for anything, and the API is not called.
func (v *visit) isOut() {
	v.t.Helper()
	calls := v.api.count()
	if v.authenticated() {
		v.t.Error("/bff/session says that somebody is signed in")
	}
	if a := v.script(http.MethodGet, "/api/orders"); a.status != http.StatusUnauthorized {
		v.t.Errorf("a call answered %d", a.status)
	}
	if got := v.api.count(); got != calls {
		v.t.Errorf("the API was called %d times", got-calls)
	}
}

// asked returns the newest request to one of the provider's endpoints.
func (v *visit) asked(e devidp.Endpoint) devidp.Request {
	v.t.Helper()
	var newest devidp.Request
	for _, r := range v.provider.Requests() {
		if r.Endpoint == e {
			newest = r
		}
	}
	if newest.Endpoint != e {
		v.t.Fatalf("nobody has asked the endpoint %s", e)
	}
	return newest
}

// claims are what /bff/user says, by type.
func (v *visit) claims() map[string]any {
	v.t.Helper()
	var list []struct {
		Type  string
		Value any
	}
	if err := json.Unmarshal([]byte(v.script(http.MethodGet, "/bff/user").body), &list); err != nil {
		v.t.Fatal(err)
	}
	all := make(map[string]any)
	for _, claim := range list {
		all[claim.Type] = claim.Value
	}
	return all
}
