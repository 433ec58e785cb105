//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Three browsers of one user. One of them ends another from the page.
func TestOneBrowserEndsAnother(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, bolt bool) {
		here, bystander, ended := startTab(t), startTab(t), startTab(t)
		f := launch(t, setting{scenario: "a browser ends another", bolt: bolt, routes: fmt.Sprintf("  - {path: /live/, upstream: %q}", startStreams(t))})
		for _, b := range []*tab{here, bystander, ended} {
			b.signInAt(f, "user00")
		}
		for _, b := range []*tab{bystander, ended} {
			b.openStreams()
		}
		if status := ended.text(`await fetch("/bff/refresh", {method: "POST"}).then(r => r.status)`); status != "200" {
			t.Fatalf("the refresh got %s", status)
		}
		newest := f.provider.RefreshToken("user00") // of the login that came last
		id := ended.text(`await fetch("/bff/sessions").then(r => r.json()).then(all => all.find(d => d.current).id)`)

		here.open(f.url + "/bff/sessions")
		here.until(`document.querySelectorAll(".devices li").length == 3`)
		here.picture("devices")
		here.run(`addEventListener("click", () => { window.clicked = Date.now() }, true)`)
		here.press("#end-" + id)
		here.until(`document.querySelectorAll(".devices li").length == 2 && /signed out/.test(document.querySelector("#said").textContent)`)
		here.picture("devices-ended")

		ended.until(`socketClosed && streamClosed`)
		if code := ended.number(`code`); code != 4401 {
			t.Errorf("the WebSocket was closed with %d, want 4401", code)
		}
		clicked := here.number(`clicked`)
		for _, stream := range []string{"socketClosed", "streamClosed"} {
			if took := time.Duration(ended.number(stream)-clicked) * time.Millisecond; took > time.Second {
				t.Errorf("%s %v after the click, want within a second", stream, took)
			}
		}
		if got := ended.text(`await fetch("/api/orders").then(r => r.status + " " + r.headers.get("Cloakroom-Error"))`); got != "401 session_expired" {
			t.Errorf("its next call got %s", got)
		}
		if got := bystander.text(`await fetch("/api/orders").then(r => r.status) + " " + socketClosed + " " + streamClosed`); got != "200 0 0" {
			t.Errorf("the third browser has %s, want 200 and both streams open", got)
		}
		eventually(t, 10*time.Second, "a revocation", func() bool { return f.provider.Stats().Revocations > 0 })
		f.endedOnce("device")
		for _, r := range f.provider.Requests() {
			if r.Endpoint == devidp.RevocationEndpoint && r.Form.Get("token") != newest {
				t.Error("another token was revoked than the ended session's newest")
			}
		}
		if n := f.provider.Stats().Revocations; n != 1 {
			t.Errorf("%d revocations, want one", n)
		}

		// The one that was ended finds its way back in.
		ended.open(f.url + "/bff/sessions")
		ended.until(`location.hostname == "127.0.0.1" || document.querySelector("h1")?.textContent == "Your devices"`)
	})
}

func TestAllOtherBrowsersEndAtOnce(t *testing.T) {
	t.Parallel()
	here := startTab(t)
	f := launch(t, setting{scenario: "a browser ends all others", bolt: true})
	tickets := []string{f.signIn("user00"), f.signIn("user00")}
	other := f.signIn("user01")
	here.signInAt(f, "user00")
	here.open(f.url + "/bff/sessions")
	here.press("#others")
	here.until(`document.querySelectorAll(".devices li").length == 1 && !document.querySelector("#others")`)
	for _, ticket := range tickets {
		if a := f.get(t.Context(), ticket, "/api/orders"); a.String() != "401 session_expired" {
			t.Errorf("another browser's call got %v", a)
		}
	}
	f.call(other)
	if status := here.text(`await fetch("/api/orders").then(r => r.status)`); status != "200" {
		t.Errorf("this browser's call got %s", status)
	}
	here.press(".devices a")
	here.until(`location.pathname == "/" && document.querySelector("#app")`)
	if n := f.provider.Stats().Logouts; n != 1 {
		t.Errorf("%d logouts at the provider, want one", n)
	}
}

// A page of the provider's has the gateway in a frame, which brings no cookie.
func TestAFrameOfTheProvidersEndsTheSession(t *testing.T) {
	t.Parallel()
	b := startTab(t)
	f := launch(t, setting{scenario: "front-channel logout", bolt: true})
	b.signInAt(f, "user00")
	other := f.signIn("user00")
	sid := f.provider.Grants()[0].SID
	iss := "iss=" + url.QueryEscape(f.provider.URL)
	for _, row := range []struct{ query, want string }{
		{"sid=" + sid, "200"},
		{iss, "200"},
		{iss + "&sid=guessed", "200"},
		{iss + "&sid=" + sid, "401"},
	} {
		b.open(f.provider.URL + "/.well-known/openid-configuration") // any page on the provider's site
		b.run(fmt.Sprintf(`
			const frame = document.createElement("iframe");
			frame.onload = () => { window.loaded = true };
			frame.src = "%s/bff/frontchannel-logout?%s";
			document.body.append(frame)`, f.url, row.query))
		b.until(`window.loaded`)
		b.open(f.url + "/")
		if got := b.text(`await fetch("/api/orders").then(r => r.status)`); got != row.want {
			t.Errorf("after a frame with %s a call got %s, want %s", row.query, got, row.want)
		}
	}
	f.call(other)
	f.endedOnce("frontchannel")
}

// signInAt walks through the development provider's page.
func (b *tab) signInAt(f *fleet, login string) {
	b.t.Helper()
	b.open(f.url + "/bff/login?returnUrl=/")
	b.until(`location.hostname == "127.0.0.1"`)
	b.press("#login-" + login)
	b.until(fmt.Sprintf(`location.origin == %q && document.querySelector("#app")`, f.url))
}

// openStreams opens a WebSocket and an event stream, and waits for the first word of each.
// The page notes when they are closed.
func (b *tab) openStreams() {
	b.t.Helper()
	b.run(`
		window.words = window.socketClosed = window.streamClosed = 0;
		window.socket = new WebSocket("ws://" + location.host + "/live/socket");
		socket.onmessage = () => words++;
		socket.onclose = e => { socketClosed ||= Date.now(); window.code = e.code };
		window.stream = new EventSource("/live/events");
		stream.onmessage = () => words++;
		stream.onerror = () => { streamClosed ||= Date.now() };`)
	b.until(`words == 2`)
}

// number evaluates an expression that gives a whole number.
func (b *tab) number(expression string) int64 {
	b.t.Helper()
	n, err := strconv.ParseInt(b.text(expression), 10, 64)
	if err != nil {
		b.t.Error(err)
	}
	return n
}
