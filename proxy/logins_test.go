package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestADoubleClickOnTheCallbackIsOneLogin(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/a"), "alice")
	hold := h.provider.Hold(devidp.TokenEndpoint)
	answers := make(chan *http.Response, 4)
	var clicks sync.WaitGroup
	for range cap(answers) {
		clicks.Go(func() {
			res, err := b.send(t.Context(), http.MethodGet, "cross-site", "document", callback)
			if err != nil {
				t.Error(err)
				return
			}
			answers <- res
		})
	}
	<-hold.Arrived()
	hold.Release()
	clicks.Wait()
	close(answers)
	tickets := map[string]bool{}
	for res := range answers {
		if got := hopTarget(t, res); got != "/a" {
			t.Errorf("goes on to %q, want /a", got)
		}
		for _, c := range res.Cookies() {
			if c.Name == "cloakroom" {
				tickets[c.Value] = true
			}
		}
		_ = res.Body.Close()
	}
	if len(tickets) != 1 || tickets[""] {
		t.Errorf("%d tickets, want one", len(tickets))
	}
	if n := h.provider.Stats().Exchanges; n != 1 {
		t.Errorf("%d codes were presented, want one", n)
	}
	if n := len(h.live(t, "alice")); n != 1 || !b.session(t).Authenticated {
		t.Errorf("%d live sessions, want one, and its ticket in the browser", n)
	}
}

func TestABrowserThatLeftTheCallbackAndComesBackIsSignedIn(t *testing.T) {
	for name, again := range map[string]func(hold *devidp.Hold, served <-chan Served){
		"while the login runs": func(*devidp.Hold, <-chan Served) {},
		"afterwards": func(hold *devidp.Hold, served <-chan Served) {
			hold.Release()
			<-served
		},
	} {
		t.Run(name, func(t *testing.T) {
			served := make(chan Served, 10)
			h := newHouse(t, func(c *Config) { c.Observe = func(s Served) { served <- s } })
			b := h.browser(t)
			callback := b.atProvider(t, b.startLogin(t, "/bff/login?returnUrl=/a"), "alice")
			<-served
			hold := h.provider.Hold(devidp.TokenEndpoint)
			ctx, leave := context.WithCancel(t.Context())
			go func() {
				<-hold.Arrived()
				leave()
			}()
			res, err := b.send(ctx, http.MethodGet, "cross-site", "document", callback)
			if err == nil {
				_ = res.Body.Close()
				t.Fatal("the browser did not leave")
			}
			again(hold, served)
			go hold.Release()
			if got := hopTarget(t, b.visit(t, "cross-site", callback)); got != "/a" {
				t.Errorf("goes on to %q, want /a", got)
			}
			if n := h.provider.Stats().Exchanges; n != 1 {
				t.Errorf("%d codes were presented, want one", n)
			}
			if n := len(h.live(t, "alice")); n != 1 || !b.session(t).Authenticated || b.attempts() != 0 {
				t.Errorf("%d live sessions, want one, and its ticket in the browser", n)
			}
		})
	}
}

// Only the browser that began the login shares it, only with the code that was presented,
// and only while its session lives.
func TestALoginIsSharedWithNobodyElse(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	callback := b.atProvider(t, b.startLogin(t, "/bff/login"), "alice")
	before := maps.Clone(b.jar)
	hopTarget(t, b.visit(t, "cross-site", callback))

	refused := func(name string, jar map[string]*http.Cookie, target string) {
		t.Helper()
		other := h.browser(t)
		other.jar = jar
		res := other.visit(t, "cross-site", target)
		if res.StatusCode == http.StatusOK {
			res = other.visit(t, "same-origin", hopTarget(t, res))
		}
		wantProblem(t, res, http.StatusBadRequest, LoginFailed)
		if other.cookie("cloakroom") != "" {
			t.Errorf("%s: the browser has got a ticket", name)
		}
	}
	without := func(name string) map[string]*http.Cookie {
		jar := maps.Clone(before)
		maps.DeleteFunc(jar, func(_ string, c *http.Cookie) bool { return c.Name == name })
		return jar
	}
	refused("another browser", map[string]*http.Cookie{}, callback)
	refused("no binding", without("cloakroom-login"), callback)
	for _, c := range before {
		if c.Name != "cloakroom-login" {
			refused("no attempt", without(c.Name), callback)
		}
	}
	refused("another code", maps.Clone(before), in(t, callback, func(q url.Values) { q.Set("code", "x") }))

	if res := b.fetch(t, http.MethodPost, "/bff/logout"); res.StatusCode != http.StatusOK {
		t.Fatalf("logout: %s", res.Status)
	}
	refused("after the logout", before, callback)
	if n := h.provider.Stats().Exchanges; n != 1 {
		t.Errorf("%d codes were presented, want one", n)
	}
}

func TestWhoWaitsForALoginMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ls logins
		hold := make(chan struct{})
		go func() {
			_, _, _ = ls.share(t.Context(), loginKey{}, time.Now, func(l *login) {
				<-hold
				l.ticket, l.err = "ticket", nil
			})
		}()
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, _, err := ls.share(ctx, loginKey{}, time.Now, nil)
			left <- err
		}()
		stayed := make(chan *login)
		go func() {
			l, first, err := ls.share(t.Context(), loginKey{}, time.Now, nil)
			if first || err != nil {
				t.Errorf("first: %t, err: %v", first, err)
			}
			stayed <- l
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(hold)
		if l := <-stayed; l.ticket != "ticket" || l.err != nil {
			t.Errorf("who stayed: %+v", l)
		}
	})
}

func TestALoginIsKeptIfItSucceededAndNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ls logins
		runs := 0
		ask := func(key byte, fail error) bool {
			_, first, err := ls.share(t.Context(), loginKey{key}, time.Now, func(l *login) { runs++; l.err = fail })
			if err != nil {
				t.Error(err)
			}
			return first
		}
		if !ask(1, nil) || ask(1, nil) {
			t.Error("a login that succeeded runs twice")
		}
		first, second := ask(2, errAway), ask(2, errAway)
		if !first || !second {
			t.Error("a login that failed is kept")
		}
		time.Sleep(loginKept)
		if !ask(1, nil) {
			t.Error("a login is kept for too long")
		}
		func() {
			defer func() { _ = recover() }()
			_, _, _ = ls.share(t.Context(), loginKey{3}, time.Now, func(*login) { panic("broken") })
		}()
		if !ask(3, nil) {
			t.Error("a login that panicked is kept")
		}
		for i := range 2 * maxLogins {
			_, _, _ = ls.share(t.Context(), loginKey{4, byte(i), byte(i >> 8)}, time.Now, func(l *login) { l.err = nil })
		}
		if n := len(ls.known); n > maxLogins {
			t.Errorf("%d logins are kept, %d are the most", n, maxLogins)
		}
	})
}
