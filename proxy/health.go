package proxy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// health is what is known of a server. Whoever cannot connect to it leaves it out; the
// watcher tries until it is back.
//
//	there ── a connection fails, or two checks ──▶ out
//	there ◀──────── a check succeeds ───────────── out
type health struct {
	out  atomic.Bool
	back atomic.Int64  // unix nanoseconds of its last return; 0: it was never out
	wake chan struct{} // tells the watcher that a request did not get through
}

// check is how a server is asked whether it is well.
type check struct {
	path     string // empty: by connecting, and only while it is out
	interval time.Duration
}

const (
	checkInterval = 10 * time.Second
	checkAgain    = time.Second     // after a failure
	checkTimeout  = 5 * time.Second // for one check
	checksFailed  = 2               // in a row, until a server is left out
)

func newServer(i int, u *url.URL, t *transport, c check, cfg Config) *server {
	if c.interval == 0 {
		c.interval = checkInterval
	}
	return &server{
		host: u.Host, set: 1 << i, transport: t, check: c, now: cfg.Now, log: cfg.Log,
		health: health{wake: make(chan struct{}, 1)},
		probe:  url.URL{Scheme: wireScheme(u), Host: u.Host, Path: c.path},
	}
}

// unreachable notes that a request did not get through to the server.
func (s *server) unreachable(err error) {
	s.leaveOut(err)
	select {
	case s.wake <- struct{}{}:
	default: // it knows
	}
}

func (s *server) leaveOut(err error) {
	if s.out.CompareAndSwap(false, true) {
		s.transport.CloseIdleConnections() // they lead to a server that is no more
		s.log.Warn("upstream: left out", "upstream", s.host, "err", withoutQuotes(err))
	}
}

// takeBack lets the server have requests again, few at first.
func (s *server) takeBack() {
	if s.out.Load() {
		s.back.Store(s.now().UnixNano())
		s.out.Store(false)
		s.log.Info("upstream: back", "upstream", s.host)
	}
}

// run watches over all servers until ctx ends.
func (p *pool) run(ctx context.Context) {
	var watchers sync.WaitGroup
	for _, s := range p.servers {
		watchers.Go(func() { s.watch(ctx) })
	}
	watchers.Wait()
}

// watch checks the server: now and then if there is a path to ask for, and each second while
// something is wrong.
func (s *server) watch(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-next.C:
		}
		switch err := s.examine(ctx); {
		case ctx.Err() != nil:
			return
		case err == nil:
			failed = 0
			s.takeBack()
		default:
			if failed++; failed >= checksFailed {
				s.leaveOut(err)
			}
		}
		switch {
		case failed > 0 || s.out.Load():
			next.Reset(checkAgain)
		case s.check.path != "":
			next.Reset(s.check.interval)
		}
	}
}

// examine asks the server whether it is well.
func (s *server) examine(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if s.check.path == "" {
		if !s.out.Load() {
			return nil
		}
		return s.transport.connect(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.probe.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "cloakroom")
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, res.Body, replayable) // so that the connection is used again
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode >= 400 {
		return fmt.Errorf("proxy: upstream: the health check is answered with %d", res.StatusCode)
	}
	return nil
}

// UpstreamState says whether a server of a list of upstreams gets requests.
type UpstreamState struct {
	Host string // with the port, if it is written
	Out  bool   // it is left out, since it cannot be reached or fails its checks
}

// Upstreams returns the states of all servers of routes with several upstreams, by host.
func (g *Gateway) Upstreams() []UpstreamState {
	out := make(map[string]bool)
	for _, p := range g.ways.pools {
		for _, s := range p.servers {
			out[s.host] = out[s.host] || s.out.Load()
		}
	}
	states := make([]UpstreamState, 0, len(out))
	for _, host := range slices.Sorted(maps.Keys(out)) {
		states = append(states, UpstreamState{host, out[host]})
	}
	return states
}
