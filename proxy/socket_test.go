package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// webSocket is the client's side of a WebSocket. It sends no masks, since nobody on the way
// looks.
type webSocket struct{ net.Conn }

// webSocket opens one at /.
func (f *front) webSocket(t *testing.T, ticket string) *webSocket {
	t.Helper()
	res, c := f.rawConn(t, f.opening(ticket, asWebSocket))
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res.Status)
	}
	return &webSocket{c}
}

func (ws *webSocket) write(t *testing.T, p []byte) {
	t.Helper()
	if _, err := ws.Write(p); err != nil {
		t.Fatal(err)
	}
}

func (ws *webSocket) read(t *testing.T, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(ws, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// readClose reads a close frame, answers it, sees the connection end and closes its side, as
// a browser does.
func (ws *webSocket) readClose(t *testing.T) (code uint16) {
	t.Helper()
	return ws.closeCode(t, ws.read(t, 2))
}

// closeCode is readClose behind the first two bytes.
func (ws *webSocket) closeCode(t *testing.T, head []byte) (code uint16) {
	t.Helper()
	if head[0] != 0x88 || head[1] < 2 || head[1] > 125 {
		t.Fatalf("% x begins no close frame", head)
	}
	payload := ws.read(t, int(head[1]))
	_, _ = ws.Write(append([]byte{0x88, 0x82, 0, 0, 0, 0}, payload[:2]...)) // it may be closed already
	if rest, err := io.ReadAll(ws); err != nil || len(rest) > 0 {
		t.Errorf("after the close frame %d bytes, %v", len(rest), err)
	}
	_ = ws.Close()
	return binary.BigEndian.Uint16(payload)
}

// socketed is a gateway before an upstream that gives its side of every WebSocket to the test.
func socketed(t *testing.T) (*front, <-chan net.Conn) {
	t.Helper()
	conns := make(chan net.Conn, 1)
	up := api(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		conns <- c
	})
	return open(t, []Route{{Path: "/", Upstream: up.url}}), conns
}

// meet opens a WebSocket and returns its session and both its sides.
func meet(t *testing.T) (*session.Session, *webSocket, net.Conn) {
	t.Helper()
	f, conns := socketed(t)
	s, ticket := f.signIn(t, time.Hour)
	ws := f.webSocket(t, ticket)
	up := <-conns
	t.Cleanup(func() { _ = up.Close() })
	return s, ws, up
}

func end(t *testing.T, s *session.Session) {
	t.Helper()
	if err := s.End(t.Context(), session.LoggedOut); err != nil {
		t.Fatal(err)
	}
}

func TestAWebSocketOfAnEndedSessionIsClosedWith4401(t *testing.T) {
	s, ws, up := meet(t)
	began := time.Now()
	end(t, s)
	if code := ws.readClose(t); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	if rest, err := io.ReadAll(up); err != nil || len(rest) > 0 {
		t.Errorf("the upstream got %q, %v", rest, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAWebSocketInTLSIsClosedTheSameWay(t *testing.T) {
	f, conns := socketed(t)
	s, ticket := f.signIn(t, time.Hour)
	server := httptest.NewTLSServer(f.Gateway)
	t.Cleanup(server.Close)
	c, err := (&tls.Dialer{Config: server.Client().Transport.(*http.Transport).TLSClientConfig}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, f.opening(ticket, asWebSocket))
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	up := <-conns
	defer up.Close()
	end(t, s)
	if code := (&webSocket{c}).readClose(t); code != 4401 {
		t.Errorf("closed with %d", code)
	}
}

func TestTheCloseFrameWaitsForTheEndOfTheFrameThatIsUnderWay(t *testing.T) {
	s, ws, up := meet(t)
	one := frame(0x02, 1000, false) // a part of a message
	go func() {
		for all := bytes.Repeat(one, 777); ; { // in writes that end anywhere but with a frame
			for p := all; len(p) > 0; p = p[min(777, len(p)):] {
				if _, err := up.Write(p[:min(777, len(p))]); err != nil {
					return
				}
			}
		}
	}()
	ws.read(t, 500)
	end(t, s)
	ws.read(t, len(one)-500)
	for {
		head := ws.read(t, 2)
		if head[0] != one[0] {
			if code := ws.closeCode(t, head); code != 4401 {
				t.Errorf("closed with %d", code)
			}
			return
		}
		if rest := ws.read(t, len(one)-2); !bytes.Equal(rest, one[2:]) {
			t.Fatal("a frame is damaged")
		}
	}
}

func TestAnUpstreamThatStopsWithinAFrameDelaysTheEndForLessThanASecond(t *testing.T) {
	s, ws, up := meet(t)
	_, _ = up.Write(frame(0x82, 1000, false)[:500])
	ws.read(t, 500)
	began := time.Now()
	end(t, s)
	if rest, err := io.ReadAll(ws); err != nil || len(rest) > 0 || time.Since(began) > time.Second {
		t.Errorf("%q, %v after %v", rest, err, time.Since(began))
	}
}

func TestAWebSocketWhoseClientDoesNotReadIsClosedAllTheSame(t *testing.T) {
	s, ws, up := meet(t)
	var err error
	for p := frame(0x82, 1<<20, false); err == nil; { // until everything on the way is full
		_ = up.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = up.Write(p)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	began := time.Now()
	end(t, s)
	if _, err := io.ReadAll(up); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("the upstream's end after %v, %v", time.Since(began), err)
	}
	_ = ws.Close()
}

func TestAWebSocketThatIsClosingGetsNoSecondCloseFrame(t *testing.T) {
	s, ws, up := meet(t)
	_, _ = up.Write(newCloseFrame(1000, ""))
	if got := ws.read(t, 4); got[0] != 0x88 {
		t.Fatalf("% x", got)
	}
	end(t, s)
	if rest, err := io.ReadAll(ws); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestNothingOfTheClientReachesTheUpstreamAfterTheEnd(t *testing.T) {
	s, ws, up := meet(t)
	end(t, s)
	if got := ws.read(t, 2); got[0] != 0x88 {
		t.Fatalf("% x", got)
	}
	_, _ = ws.Write(frame(0x81, 100, true))
	if rest, err := io.ReadAll(up); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the upstream got %d bytes, %v", len(rest), err)
	}
}

func TestEitherSideMayEndAWebSocket(t *testing.T) {
	_, ws, up := meet(t)
	_, _ = up.Write(frame(0x81, 3, false))
	_ = up.Close()
	if got, err := io.ReadAll(ws); err != nil || len(got) != 5 {
		t.Errorf("%q, %v", got, err)
	}
	_, ws, up = meet(t)
	_, _ = ws.Write(frame(0x81, 3, true))
	_ = ws.Close()
	if got, err := io.ReadAll(up); err != nil || len(got) != 9 {
		t.Errorf("%q, %v", got, err)
	}
}
