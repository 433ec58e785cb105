package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func rpInitiated() plan {
	return plan{"RP-initiated logout", oidcModule, plain, []module{
		{"-rp-init-logout", works, "The provider gets the ID token as a hint and the exact address, and the way back is a page.", func(v *visit) {
			v.signIn()
			_, onward := v.signOut()
			asked := v.asked(devidp.EndSessionEndpoint).Form
			hint := asked.Get("id_token_hint")
			if !slices.Contains(v.provider.Tokens(), hint) || payload(v.t, hint)["aud"] != clientID {
				v.t.Error("the hint is no ID token of this client's")
			}
			if got := asked.Get("post_logout_redirect_uri"); got != v.origin+"/" {
				v.t.Errorf("post_logout_redirect_uri is %q", got)
			}
			if state := asked.Get("state"); state == "" || stateOf(v.t, onward) != state {
				v.t.Errorf("the state went as %q, and came back as %q", state, stateOf(v.t, onward))
			}
			v.returns(onward)
		}},
		{"-rp-init-logout-other-state", works, "Another state comes back.", returnsWith(devidp.StateOther)},
		{"-rp-init-logout-no-state", works, "No state comes back.", returnsWith(devidp.StateMissing)},
	}}
}

// returnsWith is a logout whose way back is spoiled: there is no session that could suffer.
func returnsWith(f devidp.StateFault) func(*visit) {
	return func(v *visit) {
		v.misbehave(func(k *devidp.Knobs) { k.StateAfterLogout = f })
		v.signIn()
		_, onward := v.signOut()
		sent, back := v.asked(devidp.EndSessionEndpoint).Form.Get("state"), stateOf(v.t, onward)
		if back == sent || (back == "") != (f == devidp.StateMissing) {
			v.t.Errorf("the state went as %q, and came back as %q", sent, back)
		}
		v.returns(onward)
	}
}

// signOut goes as far as the provider's last page.
func (v *visit) signOut() (frames []string, onward string) {
	v.t.Helper()
	a := v.script(http.MethodPost, "/bff/logout")
	var out struct {
		RedirectURL string `json:"redirect_url"`
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK {
		v.t.Fatalf("the logout answered %d, %v", a.status, err)
	}
	v.isOut()
	frames, onward, err := devidp.SignOut(v.t.Context(), v.browser, v.navigate(out.RedirectURL, "same-origin").header.Get("Location"))
	if err != nil {
		v.t.Fatal(err)
	}
	return frames, onward
}

// returns is the end of a logout.
func (v *visit) returns(onward string) {
	v.t.Helper()
	if a := v.navigate(onward, "cross-site"); a.status != http.StatusOK || a.body != "home\n" {
		v.t.Errorf("the way back answered %d %s", a.status, a.header.Get("Cloakroom-Error"))
	}
	v.isOut()
}

func stateOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("state")
}

func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	var claims map[string]any
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("this is no JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func backChannel() plan {
	told := func(t *testing.T) *stage {
		t.Helper()
		return open(t, setting{client: devidp.Client{BackchannelLogoutURI: "/bff/backchannel-logout"}})
	}
	return plan{"Back-channel logout", oidcModule + "-rp-backchannel-rpinitlogout", told, []module{
		{"", works, "The token comes while the browser is at the provider's logout, and ends what else came of that session.", toldWith("", http.StatusOK)},
		{"-alg-none", refused, "The logout token is not signed.", toldWith(devidp.LogoutAlgNone, http.StatusBadRequest)},
		{"-no-event", refused, "It has no `events`.", toldWith(devidp.LogoutNoEvent, http.StatusBadRequest)},
		{"-with-nonce", refused, "It has a `nonce`.", toldWith(devidp.LogoutWithNonce, http.StatusBadRequest)},
		{"-wrong-alg", refused, "It is signed with HS256.", toldWith(devidp.LogoutHMAC, http.StatusBadRequest)},
		{"-wrong-aud", refused, "It is for another client.", toldWith(devidp.LogoutWrongAudience, http.StatusBadRequest)},
		{"-wrong-event", refused, "It tells of another event.", toldWith(devidp.LogoutWrongEvent, http.StatusBadRequest)},
		{"-wrong-iss", refused, "It is another issuer's.", toldWith(devidp.LogoutWrongIssuer, http.StatusBadRequest)},
	}}
}

// toldWith is a logout at which the provider tells the gateway. Another session of the gateway's
// came out of the same one of the provider's: it ends only if the token is good.
func toldWith(f devidp.LogoutFault, status int) func(*visit) {
	return func(v *visit) {
		v.misbehave(func(k *devidp.Knobs) { k.LogoutTokenFault = f })
		v.signIn()
		other := v.beside()
		other.signIn()
		before := len(v.provider.LogoutAnswers())
		_, onward := v.signOut()
		answers := v.provider.LogoutAnswers()[before:]
		if len(answers) != 1 || answers[0].Status != status || answers[0].Header.Get("Cache-Control") != "no-store" {
			v.t.Errorf("the gateway answered the logout token %+v, want %d", answers, status)
		}
		if status == http.StatusOK {
			other.isOut()
		} else {
			other.isSignedIn()
		}
		v.returns(onward)
	}
}

func frontChannel() plan {
	framed := func(t *testing.T) *stage {
		t.Helper()
		return open(t, setting{client: devidp.Client{FrontchannelLogoutURI: "/bff/frontchannel-logout"}})
	}
	return plan{"Front-channel logout", oidcModule + "-rp-frontchannel", framed, []module{
		{"-rpinitlogout", works, "The provider's page has a frame with `iss` and `sid`, after a logout here.", func(v *visit) {
			v.signIn()
			other := v.beside()
			other.signIn()
			frames, onward := v.signOut()
			v.load(frames)
			other.isOut()
			v.returns(onward)
		}},
		{"-opinitlogout", works, "The same, after a logout at the provider.", func(v *visit) {
			v.signIn()
			frames, _, err := devidp.SignOut(v.t.Context(), v.browser, v.provider.URL+"end_session")
			if err != nil {
				v.t.Fatal(err)
			}
			v.isSignedIn()
			v.load(frames)
			v.isOut()
		}},
	}}
}

// load is what the browser does with the frames of the provider's page.
func (v *visit) load(frames []string) {
	v.t.Helper()
	if len(frames) != 1 {
		v.t.Fatalf("the page has the frames %q", frames)
	}
	a := v.send(http.MethodGet, frames[0], "cross-site", "navigate", "iframe")
	provider, err := url.Parse(v.provider.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	policy := a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" || !strings.Contains(policy, "frame-ancestors http://"+provider.Host) {
		v.t.Errorf("the frame answered %d, with the policy %q", a.status, policy)
	}
}

func sessionManagement() plan {
	return plan{"Session management", oidcModule, plain, []module{
		{"-session-management", notOffered, "A frame of the provider's is asked every few seconds whether its session goes on. Browsers keep its cookies from that frame; `/bff/events` and the two logouts above tell pages sooner.", nil},
	}}
}
