package load

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

func TestWhatWrkSaysIsRead(t *testing.T) {
	t.Parallel()
	const out = "Running 2s test\nsummary {\"requests\":1000,\"took\":2000000,\"bytes\":2048000,\"errors\":0,\"p50\":900,\"p99\":2000,\"p999\":5000}\n"
	r, err := readWrk(out, Request{Size: 1024})
	want := Result{Requests: 1000, Took: 2 * time.Second, P50: 900 * time.Microsecond, P99: 2 * time.Millisecond, P999: 5 * time.Millisecond}
	if err != nil || r != want || r.Rate() != 500 {
		t.Errorf("it was read as %+v, %v, want %+v", r, err, want)
	}
}

func TestALoadThatWasRefusedIsNoResult(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]string{
		"errors":          `summary {"requests":1000,"bytes":2048000,"errors":3}`,
		"short answers":   `summary {"requests":1000,"bytes":200000,"errors":0}`,
		"nothing":         `summary {"requests":0,"bytes":0,"errors":0}`,
		"another program": `unable to connect`,
	} {
		if r, err := readWrk(out, Request{Size: 1024}); err == nil {
			t.Errorf("%s: it was read as %+v", name, r)
		}
	}
}

func TestWhatH2loadLogsIsRead(t *testing.T) {
	t.Parallel()
	log := func(t *testing.T, text string) string {
		name := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	r, err := readH2load(log(t, "1792000000000001\t200\t300\n1792000000000002\t200\t100\n1792000000000003\t200\t200\n"), Request{}, time.Second)
	if err != nil || r.Requests != 3 || r.P50 != 200*time.Microsecond {
		t.Errorf("it was read as %+v, %v", r, err)
	}
	if _, err := readH2load(log(t, "1792000000000001\t200\t300\n1792000000000002\t401\t100\n"), Request{}, time.Second); err == nil {
		t.Error("a refused request counted")
	}
}

func TestMessagesGoThereAndBack(t *testing.T) {
	t.Parallel()
	var origin, cookie string
	echo := websocket.Server{Handler: func(c *websocket.Conn) {
		origin, cookie = c.Request().Header.Get("Origin"), c.Request().Header.Get("Cookie")
		buffer := make([]byte, 64)
		for {
			n, err := c.Read(buffer)
			if err != nil {
				return
			}
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
	}}
	server := httptest.NewServer(http.Handler(echo))
	defer server.Close()
	r, err := WebSocket(t.Context(), Request{URL: server.URL + "/api/ws", Header: []string{"Cookie: a=b"}}, Shape{Connections: 1, Duration: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || r.P50 == 0 || r.P999 < r.P50 {
		t.Errorf("the result is %+v", r)
	}
	if origin != server.URL || cookie != "a=b" {
		t.Errorf("the handshake came from %q with %q", origin, cookie)
	}
	if _, err := WebSocket(t.Context(), Request{URL: strings.Replace(server.URL, "http://", "http://nobody.", 1)}, Shape{Connections: 1}); err == nil {
		t.Error("a server that is not there echoed")
	}
}
