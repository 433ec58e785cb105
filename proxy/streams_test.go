package proxy

import (
	"bufio"
	"io"
	"net/http"
	"strings"
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

func TestALogoutCutsOpenStreams(t *testing.T) {
	up := api(t, echo)
	f := open(t, []Route{{Path: "/", Upstream: up.url}})
	for _, lines := range []string{"Connection: Upgrade\r\nUpgrade: websocket", "Accept: text/event-stream"} {
		s, ticket := f.signIn(t, time.Hour)
		other, otherTicket := f.signIn(t, time.Hour)
		start := "GET / HTTP/1.1\r\nHost: " + publicHost + "\r\nOrigin: https://app.example.com\r\n" + lines + "\r\nCookie: "
		_, c := f.rawConn(t, start+f.cookie(ticket)+"\r\n\r\n")
		res, stays := f.rawConn(t, start+f.cookie(otherTicket)+"\r\n\r\n")
		if err := s.End(t.Context(), session.LoggedOut); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the stream outlives its session", lines)
		}
		if res.StatusCode == 101 {
			_, _ = io.WriteString(stays, "x")
			if b, err := bufio.NewReader(stays).ReadByte(); b != 'x' {
				t.Errorf("another session's stream was cut: %v", err)
			}
		}
		_ = other.End(t.Context(), session.LoggedOut)
	}
}
