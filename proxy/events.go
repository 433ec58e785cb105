package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// events answers GET /bff/events: server-sent events (HTML §9.2) for every tab of a session,
// whichever process it is connected to.
//
//	session-expiring  {"expires_in", "idle_expires_in"}  it ends soon, if nobody uses it or whatever happens
//	refreshed         {"expires_in", "idle_expires_in"}  a refresh or a step-up: claims may have changed
//	logged-out        {"reason"}                         it is over, and the stream with it
//
// The stream is no activity of the user. There are no ids: what was missed is what
// GET /bff/session says now. Without a session it is a 401, which keeps an EventSource from
// coming back.
func (g *Gateway) events(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openOwn(r)
	if err != nil {
		return err
	}
	watch := s.Watch()
	defer watch.Stop()
	if x, ok := w.(*exchange); ok {
		x.opened = g.cfg.Now()
	}
	g.streams.begin(OwnEvents)
	defer g.streams.end(OwnEvents)
	e := &eventWriter{w: w, rc: http.NewResponseController(w), watch: watch}
	e.told = e.now()
	e.run(r.Context(), g.streams.leaving)
	return nil
}

// Times of an event stream.
const (
	heartbeatLeast = 15 * time.Second // proxies commonly cut what is silent for a minute
	heartbeatMost  = 25 * time.Second
	eventWrite     = 10 * time.Second       // how long a client may take to read
	settle         = 100 * time.Millisecond // a refresh writes tokens first and claims right after

	reconnectLeast = 1 * time.Second // browsers that a shutdown sent away do not come back all at once
	reconnectMost  = 4 * time.Second

	expiringLead = 2 * time.Minute // before the end; at most a fifth of the idle timeout
)

// eventWriter writes one stream. One goroutine owns it, the one that serves.
type eventWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	watch *session.Watch

	told   version // what the client knows
	warned bool    // that the session is about to expire; since then it was not used
}

// version tells two states of a session apart, as far as a client can.
type version struct {
	id         session.ID
	generation uint64
	idToken    session.Token
}

func (e *eventWriter) now() version {
	s := e.watch.Session()
	g := &s.State().Grant
	return version{s.ID(), g.Generation, g.IDToken}
}

// open writes the head, and two kilobytes that push it through whatever gathers first bytes.
func (e *eventWriter) open() error {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")               // nobody compresses, and so gathers, what is small and late
	h.Set("X-Accel-Buffering", "no")                               // nginx
	retry := reconnectLeast + rand.N(reconnectMost-reconnectLeast) //nolint:gosec // jitter is no secret
	return e.write(fmt.Sprintf(":%s\n\nretry: %d\n\n", strings.Repeat(" ", 2048), retry.Milliseconds()))
}

// run tells the client what happens until the session is over, the client has left or the
// gateway shuts down.
func (e *eventWriter) run(ctx context.Context, leaving <-chan struct{}) {
	beat := time.NewTimer(heartbeat())
	defer beat.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	err := e.open()
	for settling := false; err == nil; { // an error says that the client has left or does not read
		select {
		case <-ctx.Done():
			return
		case <-leaving:
			return
		case <-e.watch.Done():
			_ = e.send("logged-out", loggedOut{reasonFor(e.watch.Session().State().Ended)}) // the client may have left, too
			return
		case <-beat.C:
			err = e.write(":\n\n")
			beat.Reset(heartbeat())
		case <-e.watch.Changed():
			if !settling {
				settling = true
				look.Reset(settle)
			}
		case <-look.C:
			settling = false
			var next time.Duration
			next, err = e.look(ctx)
			look.Reset(next)
		}
	}
}

func heartbeat() time.Duration {
	return heartbeatLeast + rand.N(heartbeatMost-heartbeatLeast) //nolint:gosec // jitter is no secret
}

// look has the session checked, tells what is new and returns when to look again.
func (e *eventWriter) look(ctx context.Context) (time.Duration, error) {
	next := e.watch.Check(ctx, session.Target{})
	s := e.watch.Session()
	if s.State().Ended != "" {
		return next, nil // Done says so, or another session is about to go on
	}
	idle, absolute := s.Limits()
	left := timeLeft{wholeSeconds(absolute), wholeSeconds(min(idle, absolute))}
	if now := e.now(); now != e.told {
		e.told = now
		if err := e.send("refreshed", left); err != nil {
			return 0, err
		}
	}
	lead := min(expiringLead, s.IdleTimeout()/5)
	switch until := min(idle, absolute) - lead; {
	case until > 0:
		e.warned = false
		next = min(next, until)
	case !e.warned:
		e.warned = true
		return next, e.send("session-expiring", left)
	}
	return next, nil
}

// timeLeft are the whole seconds until a session ends, by the names of GET /bff/session.
type timeLeft struct {
	ExpiresIn     int64 `json:"expires_in"`
	IdleExpiresIn int64 `json:"idle_expires_in"`
}

// loggedOut says why a session is over: "logout" if somebody wanted it, "session_expired" if
// a limit came or the provider would have it no longer.
type loggedOut struct {
	Reason string `json:"reason"`
}

func reasonFor(ended session.Reason) string {
	switch ended {
	case session.LoggedOut, session.Replaced, session.ByUser, session.ByOperator, session.ByProvider, session.FrontChannel, session.TooMany:
		return "logout"
	}
	return string(SessionExpired)
}

// send writes one event.
func (e *eventWriter) send(name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("proxy: encode event: %w", err)
	}
	return e.write("event: " + name + "\ndata: " + string(text) + "\n\n")
}

// write writes and flushes. A client that does not read has some seconds; between writes
// there is no deadline, nor is the server's own one left standing.
func (e *eventWriter) write(text string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(eventWrite)) // where there is none, the connection is no network's
	defer func() { _ = e.rc.SetWriteDeadline(time.Time{}) }()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("proxy: write event: %w", err)
	}
	if err := e.rc.Flush(); err != nil {
		return fmt.Errorf("proxy: flush event: %w", err)
	}
	return nil
}
