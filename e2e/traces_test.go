//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
)

// tracesFile is where a gateway's traces come to lie, byte for byte as they were sent: in its
// directory, which is searched for tokens when a walk is over.
func (g *gateway) tracesFile() string { return filepath.Join(g.dir, "traces") }

// collectTraces is the collector that the gateway sends its traces to. It returns the address.
func (g *gateway) collectTraces() string {
	g.t.Helper()
	var one sync.Mutex
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		file, err := os.OpenFile(g.tracesFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = io.Copy(file, r.Body)
			_ = file.Close() // what is not there will be missed
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	g.t.Cleanup(collector.Close)
	return collector.URL
}

// traces returns what the gateway has sent. It has sent all of it once it has stopped.
func (g *gateway) traces() string {
	g.t.Helper()
	data, err := os.ReadFile(g.tracesFile())
	if err != nil {
		g.t.Fatalf("a walk without a trace: %v", err)
	}
	return string(data)
}
