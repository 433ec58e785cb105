package proxy

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a server inside of a test's own time. It counts what it is asked.
type machine struct {
	off, sick, hangs atomic.Bool
	dials, asked     atomic.Int64
	doorway
}

// doorway hands over connections that never touch the network.
type doorway struct{ conns chan net.Conn }

func (l doorway) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l doorway) Close() error   { return nil }
func (l doorway) Addr() net.Addr { return &net.TCPAddr{} }

func (m *machine) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	m.dials.Add(1)
	if m.off.Load() {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.asked.Add(1)
	switch {
	case m.hangs.Load():
		<-r.Context().Done()
	case m.sick.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// watchedMachine is a machine and the server that stands for it, under watch.
func watchedMachine(t *testing.T, c check) (*machine, *server, *buffer) {
	t.Helper()
	m, log := &machine{doorway: doorway{make(chan net.Conn)}}, &buffer{}
	host := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = host.Serve(m) }()
	u := mustURL("http://orders:9000")
	way := newTransport(u, 30*time.Second, nil)
	way.dialer.plain = m.dial
	s := newServer(0, u, way, c, Config{Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil))})
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		(&pool{servers: []*server{s}, now: time.Now}).run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-watched
		way.CloseIdleConnections()
		close(m.conns)
		_ = host.Close()
	})
	return m, s, log
}

func TestWhoCannotBeReachedIsTriedEachSecondUntilItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, log := watchedMachine(t, check{})
		time.Sleep(time.Hour)
		if n := m.dials.Load(); n != 0 {
			t.Errorf("an upstream that is there was tried %d times", n)
		}
		m.off.Store(true)
		s.unreachable(errors.New("connection refused"))
		time.Sleep(9*time.Second + 500*time.Millisecond)
		if n := m.dials.Load(); n != 10 || !s.out.Load() {
			t.Errorf("%d tries in ten seconds, out: %v", n, s.out.Load())
		}
		m.off.Store(false)
		time.Sleep(time.Second)
		if part := s.share(time.Now()); part > 0.2 {
			t.Errorf("its share is %v at once", part)
		}
		if s.out.Load() || m.asked.Load() != 0 {
			t.Errorf("out: %v a second after its return; asked %d times, though nobody said for what", s.out.Load(), m.asked.Load())
		}
		if text := log.String(); strings.Count(text, "left out") != 1 || strings.Count(text, "upstream: back") != 1 {
			t.Error(text)
		}
	})
}

func TestWhoAnswersItsCheckBadlyTwiceIsLeftOut(t *testing.T) {
	for name, fall := range map[string]func(*machine) *atomic.Bool{
		"with a 503":     func(m *machine) *atomic.Bool { return &m.sick },
		"with nothing":   func(m *machine) *atomic.Bool { return &m.hangs },
		"with no answer": func(m *machine) *atomic.Bool { return &m.off },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s, _ := watchedMachine(t, check{path: "/healthz", interval: time.Minute})
				synctest.Wait()
				if n := m.asked.Load(); n != 1 || s.out.Load() {
					t.Fatalf("asked %d times at the start, out: %v", n, s.out.Load())
				}
				fall(m).Store(true)
				s.transport.CloseIdleConnections()
				time.Sleep(time.Minute + time.Millisecond)
				if s.out.Load() {
					t.Error("one bad answer was enough")
				}
				time.Sleep(2*checkTimeout + checkAgain)
				if !s.out.Load() {
					t.Error("two bad answers were not enough")
				}
				fall(m).Store(false)
				time.Sleep(checkTimeout + checkAgain)
				if s.out.Load() {
					t.Error("it is well and still out")
				}
			})
		})
	}
}

func TestWhoIsBackGetsFewRequestsAtFirst(t *testing.T) {
	now := time.Now()
	p := &pool{now: func() time.Time { return now }, servers: []*server{{set: 1}, {set: 2}}}
	for _, row := range []struct {
		since time.Duration
		share float64
	}{{0, 0.1}, {slowStart / 20, 0.1}, {slowStart / 2, 0.5}, {slowStart, 1}, {time.Hour, 1}} {
		p.servers[1].back.Store(now.Add(-row.since).UnixNano())
		const all = 20_000
		got := 0
		for range all {
			if p.pick(nil, 0) == p.servers[1] {
				got++
			}
		}
		want := row.share / (1 + row.share)
		if part := float64(got) / all; math.Abs(part-want) > 0.03 {
			t.Errorf("%v after its return it got %.2f of the requests, want %.2f", row.since, part, want)
		}
		// Under load, too.
		p.servers[0].inFlight.Store(20)
		for p.pick(nil, 0) == p.servers[1] {
			p.servers[1].inFlight.Add(1)
		}
		if n := float64(p.servers[1].inFlight.Load()); n < 20*row.share-1 || n > 20*row.share+1 {
			t.Errorf("%v after its return it has %v requests beside 20", row.since, n)
		}
		p.servers[0].inFlight.Store(0)
		p.servers[1].inFlight.Store(0)
	}
}
