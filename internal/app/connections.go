package app

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
)

// connections counts those of this process that are open, but for those that were taken over:
// they are streams. The zero value is ready; it is safe for concurrent use.
type connections struct {
	mu    sync.Mutex
	open  int           // guarded by mu
	empty chan struct{} // guarded by mu: closed when none is open; nil until somebody waits
}

// follow is for http.Server.ConnState. That a connection is open was counted before.
func (t *connections) follow(c net.Conn, state http.ConnState) {
	framing.Follow(c, state)
	switch state {
	case http.StateHijacked, http.StateClosed:
		t.count(-1)
	}
}

func (t *connections) count(change int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open += change; t.open == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
}

func (t *connections) none() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open == 0
}

// wait returns nil when no connection is open, or ctx's error.
func (t *connections) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.open == 0 {
		t.mu.Unlock()
		return ctx.Err()
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	empty := t.empty
	t.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
