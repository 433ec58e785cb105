package redisstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// calm is how long after a failed attempt to connect the next one begins at the earliest,
// so that many callers do not become many attempts.
const calm = 100 * time.Millisecond

// errDown is in the error of a call for which no connection could be made.
var errDown = errors.New("not connected")

// connector makes the driver's client when it is first needed, and anew after a drop. The
// client by itself connects again whenever a connection breaks.
type connector struct {
	option rueidis.ClientOption

	mu      sync.Mutex     // guards what follows
	current rueidis.Client // nil: none
	attempt *attempt       // the newest; nil: none yet
	closed  bool

	work sync.WaitGroup // attempts, and clients that are being closed
}

// attempt is one try to make a client. Its results are good when done is closed.
type attempt struct {
	done   chan struct{}
	client rueidis.Client
	err    error
	ended  time.Time
}

func newConnector(option rueidis.ClientOption) *connector { return &connector{option: option} }

// client returns the client; it waits for one that is being made until ctx ends.
func (k *connector) client(ctx context.Context) (rueidis.Client, error) {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil, os.ErrClosed
	}
	if c := k.current; c != nil {
		k.mu.Unlock()
		return c, nil
	}
	a := k.attempt
	if a == nil || a.over() && time.Since(a.ended) >= calm {
		a = &attempt{done: make(chan struct{})}
		k.attempt = a
		k.work.Go(func() { k.connect(a) })
	}
	k.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a.err != nil {
		return nil, fmt.Errorf("%w: %w", errDown, a.err)
	}
	return a.client, nil
}

func (a *attempt) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// connect carries out an attempt; the driver's own time-outs bound it.
func (k *connector) connect(a *attempt) {
	c, err := rueidis.NewClient(k.option)
	k.mu.Lock()
	switch {
	case err != nil:
		a.err = err
	case k.closed:
		a.err = os.ErrClosed
		k.work.Go(c.Close)
	default:
		a.client, k.current = c, c
	}
	a.ended = time.Now()
	close(a.done)
	k.mu.Unlock()
}

// drop gives up a client that is of no use, so that the next call makes another and looks
// the servers' names up again.
func (k *connector) drop(c rueidis.Client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == c && !k.closed {
		k.current, k.attempt = nil, nil
		k.work.Go(c.Close)
	}
}

// isClosed reports whether close has begun.
func (k *connector) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// close ends all connections and waits for what is under way.
func (k *connector) close() {
	k.mu.Lock()
	c := k.current
	k.current, k.closed = nil, true
	k.mu.Unlock()
	if c != nil {
		c.Close()
	}
	k.work.Wait()
}
