package stage

import (
	"bytes"
	"io"
	"net/http"
	"path"

	"golang.org/x/net/websocket"
)

// Sizes of answers and bodies.
const (
	KiB = 1 << 10
	MiB = 1 << 20
)

// NewUpstream answers with JSON, as long as the last part of the path says: 1k, 10k, 100k,
// 1m. To post, it reads the body and answers shortly; at ws it echoes.
func NewUpstream() http.Handler {
	bodies := map[string][]byte{"1k": document(KiB), "10k": document(10 * KiB), "100k": document(100 * KiB), "1m": document(MiB)}
	echo := websocket.Server{Handler: func(c *websocket.Conn) {
		_, _ = io.Copy(c, c) // ends with the client
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := path.Base(r.URL.Path); {
		case name == "ws":
			echo.ServeHTTP(w, r)
		case bodies[name] == nil:
			http.NotFound(w, r)
		default:
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return // a client that leaves ends the round
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bodies[name])
		}
	})
}

// document is JSON of so many bytes.
func document(size int) []byte {
	head, tail := []byte(`{"data":"`), []byte(`"}`)
	return append(append(head, bytes.Repeat([]byte("x"), size-len(head)-len(tail))...), tail...)
}
