package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// flights counts the flights under way, so that a shutdown can wait for them.
type flights struct {
	mu      sync.Mutex
	closing bool          // guarded by mu
	aloft   int           // guarded by mu
	idle    chan struct{} // closed when closing and none is aloft
	given   chan struct{} // closed when close gave up waiting
}

func (f *flights) init() { f.idle, f.given = make(chan struct{}), make(chan struct{}) }

// begin counts a flight in; it reports false once the shutdown has begun.
func (f *flights) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return false
	}
	f.aloft++
	return true
}

// end counts a flight out.
func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aloft--
	if f.closing && f.aloft == 0 {
		close(f.idle)
	}
}

// count returns how many flights are aloft.
func (f *flights) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.aloft
}

// close lets no new flight begin and waits for those aloft, until ctx ends.
func (f *flights) close(ctx context.Context) error {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return errors.New("session: closed twice")
	}
	f.closing = true
	if f.aloft == 0 {
		close(f.idle)
	}
	f.mu.Unlock()
	select {
	case <-f.idle:
		return nil
	case <-ctx.Done():
		close(f.given)
		return fmt.Errorf("session: refreshes still under way: %w", ctx.Err())
	}
}

// pause waits for d; it fails when the shutdown has stopped waiting for flights.
func (f *flights) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-f.given:
		return errors.New("session: shut down")
	case <-ctx.Done():
		return fmt.Errorf("session: waiting: %w", ctx.Err())
	}
}
