//go:build e2e

package e2e

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// startStreams starts an upstream that says hello and then nothing, for as long as anybody
// listens: on a WebSocket handshake as a WebSocket, else as an event stream.
func startStreams(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("Sec-Websocket-Key"); key != "" {
			holdSocket(w, key)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// holdSocket accepts a WebSocket (RFC 6455 §4.2.2), sends one text message and reads until
// the other side is gone.
func holdSocket(w http.ResponseWriter, key string) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+
		acceptKey(key)+"\r\n\r\n\x81\x05hello")
	_, _ = io.Copy(io.Discard, c)
}

// acceptKey answers the key of a handshake.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
