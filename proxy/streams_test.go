package proxy

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// echo is an upstream with a WebSocket of sorts, and an event stream.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = rc.Flush()
		<-r.Context().Done()
		return
	}
	c, brw, err := rc.Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCloakroom-Error: x\r\n"+
		"Set-Cookie: __Host-Http-cloakroom=evil\r\n\r\n")
	_, _ = io.Copy(c, brw)
}

func TestAWebSocketPassesWithItsToken(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/ws", Upstream: up.url}})
	_, ticket := f.signIn(t, time.Hour)
	res, c := f.rawConn(t, "GET /ws HTTP/1.1\r\nHost: "+publicHost+"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"+
		"Origin: https://app.example.com\r\nCookie: "+f.cookie(ticket)+"\r\n\r\n")
	if res.StatusCode != 101 || res.Header["Set-Cookie"] != nil || res.Header["Cloakroom-Error"] != nil {
		t.Fatal(res.Status, res.Header)
	}
	if got := up.last(t).Header.Get("Authorization"); got != "Bearer "+accessToken {
		t.Error(got)
	}
	_, _ = io.WriteString(c, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
		t.Errorf("%q, %v", got, err)
	}
}

// opening is a request that opens a stream at /.
func (f *front) opening(ticket, lines string) string {
	return "GET / HTTP/1.1\r\nHost: " + publicHost + "\r\nOrigin: https://app.example.com\r\n" + lines + "\r\nCookie: " + f.cookie(ticket) + "\r\n\r\n"
}

const (
	asWebSocket   = "Connection: Upgrade\r\nUpgrade: websocket"
	asEventStream = "Accept: text/event-stream"
)

func TestALogoutCutsOpenEventStreams(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	s, ticket := f.signIn(t, time.Hour)
	other, otherTicket := f.signIn(t, time.Hour)
	res, _ := f.rawConn(t, f.opening(ticket, asEventStream))
	stays, _ := f.rawConn(t, f.opening(otherTicket, asEventStream))
	began := time.Now()
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	if got := text(t, res); got != "data: hello\n\n" || time.Since(began) > time.Second {
		t.Errorf("got %q after %v", got, time.Since(began))
	}
	hello := make([]byte, len("data: hello\n\n"))
	if _, err := io.ReadFull(stays.Body, hello); err != nil {
		t.Errorf("another session's stream was cut: %v", err)
	}
	_ = other.End(t.Context(), session.LoggedOut)
	if got := text(t, stays); got != "" {
		t.Errorf("then %q", got)
	}
}

func TestAClientThatDoesNotReadKeepsNoStreamOpen(t *testing.T) {
	over := make(chan struct{})
	up := api(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		w.Header().Set("Content-Type", "text/event-stream")
		for line := strings.Repeat(":", 1<<16); ; {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	})
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	s, ticket := f.signIn(t, time.Hour)
	res, _ := f.rawConn(t, f.opening(ticket, asEventStream))
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, "the upstream's end", over)
	within(t, time.Second, "the gateway's end", f.noStream())
	_ = res.Body.Close()
}

func TestAStreamLivesAsLongAsItsRouteSays(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/", Upstream: up.url, StreamMaxAge: 50 * time.Millisecond}})
	_, ticket := f.signIn(t, time.Hour)
	res, _ := f.rawConn(t, f.opening(ticket, asEventStream))
	if got := text(t, res); got != "data: hello\n\n" {
		t.Errorf("got %q", got)
	}
	ws := f.webSocket(t, ticket)
	if code := ws.readClose(t); code != 1001 {
		t.Errorf("closed with %d", code)
	}
}

// The token of a stream's session is refreshed though nobody asks, and the stream goes on.
func TestStreamsGoOnOverTenRefreshes(t *testing.T) {
	up := api(t, echo)
	rotating := &rotating{life: 60 * time.Millisecond}
	f := open(t, []Route{{Path: "/", Upstream: up.url}}, func(c *Config) { c.Sessions = sessions(t, rotating) })
	f.sessions = f.cfg.Sessions
	s, ticket := f.signIn(t, 60*time.Millisecond)
	ws := f.webSocket(t, ticket)
	res, _ := f.rawConn(t, f.opening(ticket, asEventStream))
	deadline := time.NewTimer(10 * time.Second)
	for watch := s.Watch(); s.State().Grant.Generation < 10; {
		select {
		case <-watch.Changed():
		case <-deadline.C:
			t.Fatalf("%d refreshes", s.State().Grant.Generation)
		}
	}
	ws.write(t, frame(0x81, 4, false))
	if got := ws.read(t, 6); got[0] != 0x81 {
		t.Errorf("got % x", got)
	}
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	if code := ws.readClose(t); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	if got := text(t, res); got != "data: hello\n\n" {
		t.Errorf("the event stream: %q", got)
	}
}

func TestARefusedRefreshEndsAStreamThatNobodyUses(t *testing.T) {
	up := api(t, echo)
	rotating := &rotating{life: 60 * time.Millisecond}
	f := open(t, []Route{{Path: "/", Upstream: up.url}}, func(c *Config) { c.Sessions = sessions(t, rotating) })
	f.sessions = f.cfg.Sessions
	_, ticket := f.signIn(t, 60*time.Millisecond)
	ws := f.webSocket(t, ticket)
	rotating.refuses.Store(true)
	if code := ws.readClose(t); code != 4401 {
		t.Errorf("closed with %d", code)
	}
}

func TestAStepUpKeepsTheStreamsOfTheSessionThatItContinues(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	s, ticket := f.signIn(t, time.Hour)
	ws := f.webSocket(t, ticket)
	g := s.State().Grant
	next, _, err := f.sessions.Begin(t.Context(), session.Start{Grant: g, Replaces: s.ID()})
	if err != nil {
		t.Fatal(err)
	}
	ws.write(t, frame(0x81, 4, false))
	if got := ws.read(t, 6); got[0] != 0x81 {
		t.Errorf("got % x", got)
	}
	if err := next.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
	if code := ws.readClose(t); code != 4401 {
		t.Errorf("closed with %d", code)
	}
}

func TestAShutdownClosesAllStreamsAndWaitsForThem(t *testing.T) {
	up := api(t, echo)
	var mu sync.Mutex
	count := map[StreamKind]int{}
	f := open(t, []Route{{Path: "/", Upstream: up.url}, {Path: "/public/", Upstream: up.url, Access: Public, Token: NoToken}}, func(c *Config) {
		c.ObserveStream = func(kind StreamKind, change int) {
			mu.Lock()
			defer mu.Unlock()
			count[kind] += change
		}
	})
	_, ticket := f.signIn(t, time.Hour)
	ws := f.webSocket(t, ticket)
	res, _ := f.rawConn(t, f.opening(ticket, asEventStream))
	_, public := f.rawConn(t, strings.Replace(f.opening("", asWebSocket), "GET /", "GET /public/", 1))
	begun := make([]byte, len("data: hello\n\n"))
	if _, err := io.ReadFull(res.Body, begun); err != nil || string(begun) != "data: hello\n\n" {
		t.Fatalf("the event stream: %q, %v", begun, err)
	}
	mu.Lock()
	if count[WebSocket] != 2 || count[EventStream] != 1 {
		t.Errorf("open: %v", count)
	}
	mu.Unlock()
	if err := f.CloseStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, ws := range []*webSocket{ws, {public}} {
		if code := ws.readClose(t); code != 1001 {
			t.Errorf("closed with %d", code)
		}
	}
	if rest := text(t, res); rest != "" {
		t.Errorf("the event stream goes on: %q", rest)
	}
	mu.Lock()
	if count[WebSocket] != 0 || count[EventStream] != 0 {
		t.Errorf("open afterwards: %v", count)
	}
	mu.Unlock()
	if code := f.webSocket(t, ticket).readClose(t); code != 1001 {
		t.Errorf("one that comes late is closed with %d", code)
	}
	if err := f.CloseStreams(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// rotating is a provider whose access tokens live that long.
type rotating struct {
	quiet
	life    time.Duration
	refuses atomic.Bool
}

func (r *rotating) Refresh(context.Context, *session.Grant, session.Target) (*session.Renewal, error) {
	if r.refuses.Load() {
		return nil, &session.RefreshError{Class: session.Refused}
	}
	now := time.Now()
	return &session.Renewal{
		Access:       session.AccessToken{Token: session.Token(rand.Text()), Type: "Bearer", Issued: now, Expiry: now.Add(r.life)},
		RefreshToken: session.Token(rand.Text()),
	}, nil
}

// noStream is closed when no stream is open any more.
func (f *front) noStream() <-chan struct{} {
	s := f.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over()
}

func within(t *testing.T, d time.Duration, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(d):
		t.Errorf("%s did not come in %v", what, d)
	}
}

// An hour of a WebSocket is no slow answer.
func TestAStreamTookUntilItOpened(t *testing.T) {
	for _, row := range []struct{ name, path, lines string }{
		{"a WebSocket", "/", "Connection: Upgrade\r\nUpgrade: websocket"},
		{"an event stream", "/", "Accept: text/event-stream"},
		{"our own events", "/bff/events", "Sec-Fetch-Site: same-origin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var later atomic.Int64
			served := make(chan Served, 1)
			up := api(t, echo)
			f := open(t, []Route{{Path: "/", Upstream: up.url}}, func(c *Config) {
				c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
				c.Observe = func(s Served) { served <- s }
			})
			_, ticket := f.signIn(t, time.Hour)
			_, conn := f.rawConn(t, strings.Replace(f.opening(ticket, row.lines), "GET /", "GET "+row.path, 1))
			later.Store(int64(time.Hour))
			_ = conn.Close()
			if s := <-served; s.Took > time.Minute {
				t.Errorf("it took %v", s.Took)
			}
		})
	}
}
