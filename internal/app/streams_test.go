package app

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// They would go on for ever: a shutdown that waits for them takes half a minute.
func TestAShutdownWaitsForNoEventStream(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c := browser(t)
	h.signIn(c)
	var streams []io.ReadCloser
	for _, path := range []string{"/bff/events", "/api/events"} {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, h.origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := c.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		defer res.Body.Close()
		streams = append(streams, res.Body)
	}
	if _, metrics := h.admin("/metrics"); !strings.Contains(metrics, `cloakroom_streams_open{kind="bff_events"} 1`) ||
		!strings.Contains(metrics, `cloakroom_streams_open{kind="event_stream"} 1`) {
		t.Error("the metrics do not count both")
	}
	began := time.Now()
	h.halt()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	for _, stream := range streams {
		if got, err := io.ReadAll(stream); err != nil || strings.Contains(string(got), "logged-out") {
			t.Errorf("%q, %v", got, err)
		}
	}
}
