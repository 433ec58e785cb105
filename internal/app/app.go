// Package app is the one place that wires: a configuration becomes a store, a provider
// client, a session manager, a gateway and two listeners.
//
//	config ─▶ store ─▶ sessions ─▶ gateway ─▶ public listener
//	              └── provider ──┘    └ metrics ─▶ admin listener
//
// Shutting down goes the other way: readiness off, requests drained and streams closed, flights awaited,
// activity written, store closed.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/framing"
	"github.com/cloakroom-bff/cloakroom/internal/handover"
	"github.com/cloakroom-bff/cloakroom/internal/inbound"
	"github.com/cloakroom-bff/cloakroom/internal/telemetry"
	"github.com/cloakroom-bff/cloakroom/session"
)

// How long a shutdown waits for refreshes, after drain.stop for requests.
const drainFlights = 30 * time.Second

// App is a gateway with all its parts, listening. Run it once.
type App struct {
	log      *slog.Logger
	store    store
	sessions *session.Manager
	metrics  *telemetry.Metrics
	audit    *telemetry.Audit
	tracer   *telemetry.Tracer // nil: no traces
	level    *slog.LevelVar    // of the log; nil: it stays
	now      atomic.Pointer[generation]
	shapes   shapes // of connections to upstreams; they outlive generations

	public    *inbound.Server
	ingress   *inbound.Server // asked by front proxies
	admin     *inbound.Server
	onPublic  net.Listener
	onIngress net.Listener // nil: nobody asks
	onAdmin   net.Listener
	most      int // connections on each listener
	draining  atomic.Bool

	environ   []string
	inherited *handover.Inherited      // never nil
	borrower  net.Conn                 // of the store file, which came from the process before; nil: nobody
	conns     connections              // to all listeners
	lending   sync.WaitGroup           // while a borrower is there
	handing   sync.Mutex               // held during a hand-over
	leaving   atomic.Bool              // another process has the listeners
	succeeded chan *handover.Successor // says so to Run

	changing sync.Mutex // held while sessions get other terms
	alone    bool       // guarded by changing: no other process uses the store file
}

// Addr is the address of the public listener, AdminAddr that of the operator's.
func (a *App) Addr() net.Addr { return a.onPublic.Addr() }

// AdminAddr is the address of the operator's listener.
func (a *App) AdminAddr() net.Addr { return a.onAdmin.Addr() }

// ForwardAuthAddr is the address of the entrance for front proxies, nil if there is none.
func (a *App) ForwardAuthAddr() net.Addr {
	if a.onIngress == nil {
		return nil
	}
	return a.onIngress.Addr()
}

// server has the time-outs and limits that hold against slow and greedy clients. There is
// none for a whole request: streams are not cut.
func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100,
			MaxReadFrameSize:     16 << 10, // What a connection may fill a buffer with; Go's own choice is 1 MiB.
			WriteByteTimeout:     time.Minute,
		},
		ConnContext: framing.Context,
		ConnState:   framing.Follow,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // The gateway has an answer to OPTIONS * of its own.
	}
}

// server is a server whose connections are counted, and come to an end when the process leaves.
func (a *App) server(h http.Handler) *inbound.Server {
	s := &inbound.Server{Server: server(a.lastAnswer(h), a.log), Changed: a.conns.count}
	s.ConnState = a.conns.follow
	return s
}

// Run serves until ctx ends, and then shuts down in order. It returns nil after a clean
// shutdown.
func (a *App) Run(ctx context.Context) error {
	// The background outlives ctx: requests that drain still need sessions and store.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var parts sync.WaitGroup
	failed := make(chan error, 9)
	run := func(what string, f func() error) {
		parts.Go(func() {
			err := f()
			left := a.leaving.Load() && errors.Is(err, net.ErrClosed)
			if err != nil && !left && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, context.Canceled) {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	run("session store", func() error { return a.store.Run(background) })
	run("sessions", func() error { return a.sessions.Run(background) })
	a.begin(background, run)
	run("provider and upstreams", func() error { return a.runGenerations(background) })
	run("public listener", func() error { return a.serve(background, a.public, a.onPublic) })
	if a.onIngress != nil {
		run("forward-auth listener", func() error { return a.serve(background, a.ingress, a.onIngress) })
		a.log.Info("front proxies ask at", "listen", a.onIngress.Addr().String())
	}
	run("admin listener", func() error { return a.serve(background, a.admin, a.onAdmin) })
	err := a.settle(background, run)
	a.notify(ctx, "READY=1")
	a.log.Info("serving", "listen", a.Addr().String(), "admin", a.AdminAddr().String())

	if err == nil {
		err = a.stay(ctx, failed)
	}
	err = errors.Join(err, a.drain(context.WithoutCancel(ctx)))
	stop()
	closed := a.admin.Close()
	parts.Wait()
	a.closeTracer(context.WithoutCancel(ctx))
	return errors.Join(err, closed, a.store.Close())
}

// stay returns when it is time to shut down.
func (a *App) stay(ctx context.Context, failed <-chan error) error {
	select {
	case <-ctx.Done():
		a.log.Info("shutting down: draining requests")
		a.notify(context.WithoutCancel(ctx), "STOPPING=1")
		return nil
	case next := <-a.succeeded:
		return a.leave(ctx, next, failed)
	case err := <-failed:
		return err
	}
}

// serve serves on a listener whose messages have one reading.
func (a *App) serve(ctx context.Context, s *inbound.Server, l net.Listener) error {
	return s.Serve(framing.Listen(ctx, l, framing.Config{ //nolint:contextcheck // a request outlives ctx: it ends with its connection
		TLS: s.TLSConfig, Most: a.most, Log: a.log,
		Answer: func(r framing.Refusal) []byte { return a.now.Load().gateway.Unreadable(r.Status, r.Reason) },
	}))
}

// drain lets what is under way come to its end.
func (a *App) drain(ctx context.Context) error {
	a.draining.Store(true)
	requests, cancel := context.WithTimeout(ctx, a.now.Load().cfg.Drain.Stop)
	defer cancel()
	// All at once: a browser's request may be waiting for the front proxy's question, and
	// streams end only if they are told to.
	var asked, streams error
	var others sync.WaitGroup
	others.Go(func() { asked = a.shutdown(requests, a.ingress) })
	others.Go(func() { streams = a.now.Load().gateway.CloseStreams(requests) })
	err := a.shutdown(requests, a.public)
	others.Wait()
	err = errors.Join(err, asked, streams)
	flights, cancel := context.WithTimeout(ctx, drainFlights)
	defer cancel()
	return errors.Join(err, a.sessions.Close(flights))
}

// shutdown lets a server's requests end until ctx does, and then cuts them.
func (a *App) shutdown(ctx context.Context, s *inbound.Server) error {
	err := s.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.log.Warn("some requests did not end in time; their connections are closed", "waited", a.now.Load().cfg.Drain.Stop.String())
		return s.Close()
	}
	return err
}

// ready lists what stands in the way of traffic.
func (a *App) ready(r *http.Request) []reason {
	var reasons []reason
	if a.draining.Load() {
		reasons = append(reasons, reason{"shutdown", "the gateway is draining"})
	}
	_, store := a.store.Load(r.Context(), session.ID{})
	if errors.Is(store, session.ErrNotFound) {
		store = nil
	}
	if store != nil {
		reasons = append(reasons, reason{"store", store.Error()})
	}
	provider := a.now.Load().provider.Ready()
	if provider == nil {
		provider = a.sessions.Misconfigured()
	}
	if provider != nil {
		reasons = append(reasons, reason{"provider", provider.Error()})
	}
	a.metrics.Readiness(provider, store)
	return reasons
}

// close gives back what was opened before Run.
func (a *App) close(ctx context.Context) {
	for _, l := range []net.Listener{a.onPublic, a.onIngress, a.onAdmin} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.store != nil {
		_ = a.store.Close()
	}
	a.closeTracer(context.WithoutCancel(ctx))
}
