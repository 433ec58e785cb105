package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/handover"
)

// HandOver starts another process in the place of this one: with the same listeners, the store
// file if there is one, and whatever binary and configuration are there by now. When that one
// serves, HandOver returns nil and Run ends as soon as the last connection that was made here
// has; see leave. If it does not come to that, all goes on as if nothing had been asked, and
// the error, which is in the log already, says why.
func (a *App) HandOver(ctx context.Context, c handover.Command) error {
	if !a.handing.TryLock() {
		a.log.Warn("restart: there is one under way already")
		return nil
	}
	defer a.handing.Unlock()
	err := a.handOver(ctx, c)
	if err != nil {
		a.log.Error("restart: the new process has failed; this one goes on", "err", err)
	}
	return err
}

func (a *App) handOver(ctx context.Context, c handover.Command) error {
	if a.leaving.Load() {
		return errors.New("app: this process is leaving; ask the one that is in its place")
	}
	a.log.Info("restart: starting a new process", "binary", c.Path)
	next, err := handover.Start(c, a.listeners())
	if err != nil {
		return err
	}
	// From here on two processes may have leases.
	err = a.setAlone(false)
	if err == nil {
		err = next.Await(ctx, a.estate())
	}
	if err != nil {
		return errors.Join(err, a.setAlone(true))
	}
	a.notify(ctx, "MAINPID="+strconv.Itoa(next.PID()))
	a.log.Info("restart: a new process serves", "pid", next.PID())
	a.leaving.Store(true)
	a.succeeded <- next
	return nil
}

// estate is what a new process gets beside the listeners: nothing, if the store is no file.
func (a *App) estate() handover.Estate {
	if file, ok := a.store.(*movable); ok {
		return file
	}
	return noEstate{}
}

// noEstate is the estate of a process whose store is everybody's.
type noEstate struct{}

func (noEstate) Give(string) (bool, error) { return false, nil }
func (noEstate) Borrow(conn net.Conn)      { _ = conn.Close() }
func (noEstate) TakeBack() error           { return nil }

func (a *App) listeners() []net.Listener {
	all := []net.Listener{a.onPublic, a.onAdmin}
	if a.onIngress != nil {
		all = append(all, a.onIngress)
	}
	return all
}

// leave lets what was begun in this process come to its end, while another one has all that
// is new: until the last connection is closed, ctx ends, drain.restart has passed, or the
// process is gone that has the store file.
//
// Nobody's request is lost on the way. Connections that wait to be accepted are the new
// process's; one on which there may be another request closes with the answer to it, since
// closing it just like that would race with the client. WebSockets and event streams go on:
// sessions end for both processes alike.
func (a *App) leave(ctx context.Context, next *handover.Successor, failed <-chan error) error {
	stays := a.now.Load().cfg.Drain.Restart
	a.log.Info("restart: this process stays until its last connection is over", "at_most", stays.String())
	for _, l := range a.listeners() {
		_ = l.Close() // the new process has its own copy
	}
	var lost <-chan struct{} // the process that has the store file; else nobody here needs the new one
	if file, ok := a.store.(*movable); ok && file.lent.Load() != nil {
		lost = next.Ended()
	}
	limit := time.NewTimer(stays)
	defer limit.Stop()
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		a.empty(waiting)
	}()
	select {
	case <-over:
	case <-ctx.Done():
	case <-limit.C:
		a.log.Warn("restart: connections are still open; they are closed", "waited", stays.String())
	case <-lost:
		a.log.Error("restart: the new process has ended, and the store file with it")
	case err := <-failed:
		return err
	}
	return nil
}

// empty waits until no connection, no stream and no borrower of the store is there, or ctx ends.
func (a *App) empty(ctx context.Context) {
	gateway := a.now.Load().gateway
	for a.conns.wait(ctx) == nil && gateway.AwaitStreams(ctx) == nil {
		if a.conns.none() { // a connection becomes a stream without a moment between
			break
		}
	}
	a.lending.Wait() // it ends with the process that borrows, which was here first
}

// begin is what a process does first that takes the place of another: it lends the store
// back, and asks the provider for its metadata.
func (a *App) begin(ctx context.Context, run func(what string, f func() error)) {
	if a.inherited.Predecessor == nil {
		return
	}
	if file, ok := a.store.(*movable); ok && a.borrower != nil {
		a.lending.Add(1)
		run("store that is lent", func() error {
			defer a.lending.Done()
			if err := file.Lend(ctx, a.borrower); err != nil && ctx.Err() == nil {
				a.log.Warn("restart: the connection to the old process broke", "err", err)
			}
			return nil
		})
	}
	g := a.now.Load()
	asking, stop := context.WithTimeout(ctx, g.cfg.Provider.Timeout)
	defer stop()
	_ = g.provider.Run(asking) // one that is away now will be asked again
}

// settle tells the old process to go, and waits until it has.
func (a *App) settle(ctx context.Context, run func(what string, f func() error)) error {
	before := a.inherited.Predecessor
	if before == nil {
		return nil
	}
	if err := before.Ready(); err != nil {
		return err
	}
	run("the old process", func() error {
		defer before.Close()
		if err := before.Wait(ctx); err != nil {
			return nil // this process ends first
		}
		a.lending.Wait()
		a.log.Info("restart: the old process has ended")
		return a.setAlone(true)
	})
	return nil
}

// notify tells systemd, if it wants to know.
func (a *App) notify(ctx context.Context, lines ...string) {
	if err := handover.Notify(ctx, a.environ, lines...); err != nil {
		a.log.Warn("systemd could not be notified", "err", err)
	}
}

// lastAnswer makes a connection end with the answer to its next request, once another process
// has the listeners. What is upgraded goes on.
func (a *App) lastAnswer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.leaving.Load() && r.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close") // over HTTP/2, GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}

// setAlone says whether no other process uses the store file.
func (a *App) setAlone(alone bool) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.alone = alone
	g := a.now.Load()
	terms, err := a.sessionTerms(g.cfg, g.provider)
	if err == nil {
		err = a.sessions.Reconfigure(terms)
	}
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}
