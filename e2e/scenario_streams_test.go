//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// openStream sends a request that opens a stream at a replica, and returns what comes after
// the head of its answer.
func (f *fleet) openStream(g *gateway, ticket, path, header string) *bufio.Reader {
	f.t.Helper()
	c, err := (&net.Dialer{}).DialContext(f.t.Context(), "tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nSec-Fetch-Site: same-origin\r\nCookie: cloakroom=%s\r\n%s\r\n\r\n",
		path, strings.TrimPrefix(f.url, "http://"), f.url, ticket, header)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return r
	}
	if res.StatusCode != http.StatusOK {
		f.t.Fatalf("%s: %s", path, res.Status)
	}
	return bufio.NewReader(res.Body)
}

// A watched stream says how it ended, and when.
type watched struct {
	name string
	end  chan string
	at   time.Time
}

// openAll opens a WebSocket, an upstream's event stream and the gateway's own at a replica.
func (f *fleet) openAll(g *gateway, ticket string) []*watched {
	f.t.Helper()
	all := []*watched{
		{name: "WebSocket", end: make(chan string, 1)},
		{name: "event stream", end: make(chan string, 1)},
		{name: "/bff/events", end: make(chan string, 1)},
	}
	socket := f.openStream(g, ticket, "/live/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	hello := make([]byte, 7)
	if _, err := io.ReadFull(socket, hello); err != nil {
		f.t.Fatal(err)
	}
	go func() {
		rest, err := io.ReadAll(socket)
		all[0].at = time.Now()
		if len(rest) < 4 || rest[0] != 0x88 {
			all[0].end <- fmt.Sprintf("% x, %v", rest, err)
			return
		}
		all[0].end <- fmt.Sprint(int(rest[2])<<8 | int(rest[3]))
	}()
	for i, path := range []string{"/live/events", "/bff/events"} {
		w, stream := all[1+i], f.openStream(g, ticket, path, "Connection: close\r\nAccept: text/event-stream")
		go func() {
			last := ""
			for lines := bufio.NewScanner(stream); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "event: ") {
					last = lines.Text()
				}
			}
			w.at = time.Now()
			w.end <- last
		}()
	}
	return all
}

// over waits for the ends of streams, and checks that they came within a second.
func (f *fleet) over(all []*watched, since time.Time) {
	f.t.Helper()
	for i, want := range []string{"4401", "", "event: logged-out"} {
		if got := <-all[i].end; got != want {
			f.t.Errorf("the %s ended with %q, want %q", all[i].name, got, want)
		}
		if took := all[i].at.Sub(since); took > time.Second {
			f.t.Errorf("the %s ended after %v", all[i].name, took)
		}
	}
}

func TestALogoutOnOneReplicaClosesTheStreamsOfTheOther(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{scenario: "a logout closes streams elsewhere", routes: fmt.Sprintf("  - {path: /live/, upstream: %q}", startStreams(t))})
	ticket, other := f.signIn("user00"), f.signIn("user01")
	streams, stay := f.openAll(f.replicas[1], ticket), f.openAll(f.replicas[1], other)
	if n := f.metric("cloakroom_streams_open"); n["websocket"] != 2 || n["event_stream"] != 2 || n["bff_events"] != 2 {
		t.Errorf("open: %v", n)
	}
	began := time.Now()
	if a := f.ask(t.Context(), f.replicas[0], ticket, http.MethodPost, "/bff/logout"); a.status != http.StatusOK {
		t.Fatalf("the logout got %v", a)
	}
	f.over(streams, began)
	for _, w := range stay {
		select {
		case got := <-w.end:
			t.Errorf("another user's %s ended: %q", w.name, got)
		default:
		}
	}
	eventually(t, 5*time.Second, "three streams are counted", func() bool {
		n := f.metric("cloakroom_streams_open")
		return n["websocket"] == 1 && n["event_stream"] == 1 && n["bff_events"] == 1
	})
}

// Nobody uses the session but its streams, which live on over ten refreshes and are no
// activity: the idle limit ends them.
func TestStreamsLiveOnOverRefreshesUntilTheIdleLimit(t *testing.T) {
	t.Parallel()
	f := launch(t, setting{
		scenario: "streams over refreshes", session: "  idle_timeout: 15s",
		routes: fmt.Sprintf("  - {path: /live/, upstream: %q}", startStreams(t)),
	})
	f.tokensLast(time.Second)
	ticket := f.signIn("user00")
	began := time.Now()
	streams := append(f.openAll(f.replicas[0], ticket), f.openAll(f.replicas[1], ticket)...)
	eventually(t, 14*time.Second, "ten refreshes", func() bool { return f.provider.Stats().Refreshes >= 10 })
	for _, w := range streams {
		select {
		case got := <-w.end:
			t.Fatalf("a %s ended: %q", w.name, got)
		default:
		}
	}
	limit := began.Add(15 * time.Second) // a moment late: the sign-in was before
	f.over(streams[:3], limit)
	f.over(streams[3:], limit)
	f.endedOnce("idle")
	if got := f.provider.Stats(); got.Reuses != 0 || got.MaxPresentations != 1 {
		t.Errorf("the provider counts %d reuses, %d presentations of one refresh token", got.Reuses, got.MaxPresentations)
	}
}
