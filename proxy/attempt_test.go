package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

func TestAnAttemptComesBackAsItWent(t *testing.T) {
	d := newDesk(t)
	a := d.gateway.newAttempt("binding", session.ID{1, 2})
	a.Silent = true
	w := httptest.NewRecorder()
	if err := d.gateway.setAttempt(w, httptest.NewRequest(http.MethodGet, "/", nil), a); err != nil {
		t.Fatal(err)
	}
	set := w.Header().Get("Set-Cookie")
	want := "; Path=/bff; Max-Age=600; HttpOnly; Secure; SameSite=Lax"
	if !strings.HasPrefix(set, "__Secure-cloakroom-attempt-"+a.ID+"=") || !strings.HasSuffix(set, want) {
		t.Errorf("Set-Cookie: %q, want …%s", set, want)
	}
	if len(set) > 1500 {
		t.Errorf("an attempt's cookie has %d bytes", len(set))
	}
	pair, _, _ := strings.Cut(set, ";")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "__Secure-cloakroom-attempt-"+a.ID+"=planted; "+pair)
	got, err := d.gateway.openAttempt(r, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	got.Created, a.Created = time.Time{}, time.Time{}
	if fmt.Sprint(got) != fmt.Sprint(a) {
		t.Errorf("got %v, want %v", got, a)
	}
	// What is sealed for one name opens under no other.
	name, value, _ := strings.Cut(pair, "=")
	other := strings.Repeat("A", len(a.ID))
	r.Header.Set("Cookie", strings.Replace(name, a.ID, other, 1)+"="+value)
	if _, err := d.gateway.openAttempt(r, other); err == nil {
		t.Error("an attempt opens under another's name")
	}
	r.Header.Set("Cookie", d.cookie(value))
	if _, err := d.gateway.openTicket(r); err == nil {
		t.Error("an attempt opens as a ticket")
	}
}

func TestOnlyTheSameBrowserCanFinishAnAttemptInTime(t *testing.T) {
	d := newDesk(t)
	g := d.gateway
	for name, row := range map[string]struct {
		change   func(*attempt)
		bindings []string
		fine     bool
	}{
		"as it was":               {func(*attempt) {}, []string{"mine"}, true},
		"the second binding":      {func(*attempt) {}, []string{"other", "mine"}, true},
		"another browser":         {func(*attempt) {}, []string{"theirs"}, false},
		"no binding":              {func(*attempt) {}, nil, false},
		"eleven minutes old":      {func(a *attempt) { a.Created = a.Created.Add(-11 * time.Minute) }, []string{"mine"}, false},
		"from the future":         {func(a *attempt) { a.Created = a.Created.Add(time.Hour) }, []string{"mine"}, false},
		"made for another issuer": {func(a *attempt) { a.Issuer += "/" }, []string{"mine"}, false},
		"made for another client": {func(a *attempt) { a.ClientID = "old" }, []string{"mine"}, false},
	} {
		a := g.newAttempt("mine", session.ID{})
		row.change(a)
		if err := a.usable(g, row.bindings); (err == nil) != row.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValuesOfAnAttemptAreNeverUsedTwice(t *testing.T) {
	g := newDesk(t).gateway
	seen := map[string]bool{}
	for range 1000 {
		a := g.newAttempt("b", session.ID{})
		for _, v := range []string{a.ID, a.Nonce, a.Verifier} {
			if seen[v] {
				t.Fatalf("%q came twice", v)
			}
			seen[v] = true
		}
		if len(a.Verifier) != 43 || strings.ContainsAny(a.Verifier, "+/=") {
			t.Fatalf("verifier %q is not 43 unreserved characters", a.Verifier)
		}
	}
}

func TestTheStateHoldsTheLongestReturnURL(t *testing.T) {
	g := newDesk(t).gateway
	want := state{id: g.newAttempt("b", session.ID{}).ID, returnURL: "/" + strings.Repeat("é", maxReturnURL/2-1)}
	sealed, err := g.sealState(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := g.openState(sealed); err != nil || got != want {
		t.Errorf("%v, %v", got, err)
	}
	if strings.Contains(sealed, want.id) {
		t.Error("the state shows its id")
	}
	for i := range len(sealed) {
		forged := []byte(sealed)
		forged[i] ^= 1
		if got, err := g.openState(string(forged)); err == nil && got != want {
			t.Fatalf("a changed state opens as %v", got)
		}
	}
}

func TestABrowserHoldsFiveAttemptsAtMost(t *testing.T) {
	d := newDesk(t)
	g := d.gateway
	jar := map[string]string{"__Secure-cloakroom-attempt-" + strings.Repeat("B", 26): "planted", "__Secure-cloakroom-attempt-x": "not ours"}
	start := time.Now()
	var last []string
	for i := range 50 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for name, value := range jar {
			r.Header.Add("Cookie", name+"="+value)
		}
		a := g.newAttempt("b", session.ID{})
		a.Created = start.Add(time.Duration(i) * time.Second)
		last = append(last, g.attemptPrefix()+a.ID)
		w := httptest.NewRecorder()
		if err := g.setAttempt(w, r, a); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.Result().Cookies() {
			if c.MaxAge < 0 {
				delete(jar, c.Name)
			} else {
				jar[c.Name] = c.Value
			}
		}
	}
	delete(jar, "__Secure-cloakroom-attempt-x")
	if len(jar) != maxAttempts {
		t.Errorf("%d attempts, want %d", len(jar), maxAttempts)
	}
	for _, name := range last[45:] {
		if jar[name] == "" {
			t.Errorf("one of the newest attempts is gone")
		}
	}
}

func TestABindingIsKeptForTheOtherTabs(t *testing.T) {
	g := newDesk(t).gateway
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	binding, fresh := g.binding(r)
	if !fresh || len(binding) != 43 {
		t.Fatalf("%q, fresh %t", binding, fresh)
	}
	r.Header.Set("Cookie", g.loginCookieName()+"="+binding)
	if again, fresh := g.binding(r); fresh || again != binding {
		t.Errorf("%q, fresh %t; want the same one", again, fresh)
	}
	for _, odd := range []string{"", "short", binding + "x", strings.Repeat("!", 43)} {
		r.Header.Set("Cookie", g.loginCookieName()+"="+odd)
		if again, fresh := g.binding(r); !fresh || again == odd {
			t.Errorf("%q is taken for a binding", odd)
		}
	}
}

func TestTheLoginCookieRemembersTheBrowsersSession(t *testing.T) {
	g := newDesk(t).gateway
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	binding, _ := g.binding(r)
	r.Header.Set("Cookie", g.loginCookieName()+"="+binding)
	w := httptest.NewRecorder()
	id := session.ID{1, 2, 3}
	if err := g.rememberSession(w, r, g.newAttempt(binding, session.ID{}), id); err != nil {
		t.Fatal(err)
	}
	pair, attributes, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	if attributes != " Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("attributes %q", attributes)
	}
	r.Header.Set("Cookie", pair)
	if got := g.lastSessions(r); len(got) != 1 || got[0] != id {
		t.Errorf("lastSessions: %v", got)
	}
	if again, fresh := g.binding(r); fresh || again != binding {
		t.Error("the binding is lost")
	}
	r.Header.Set("Cookie", pair+"x")
	if got := g.lastSessions(r); len(got) > 0 {
		t.Errorf("a forged one is believed: %v", got)
	}
}
