package devidp

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Endpoint names one of the provider's endpoints.
type Endpoint string

// The endpoints.
const (
	DiscoveryEndpoint  Endpoint = "discovery"
	JWKSEndpoint       Endpoint = "jwks"
	AuthorizeEndpoint  Endpoint = "authorize"
	SignInEndpoint     Endpoint = "sign_in"
	TokenEndpoint      Endpoint = "token"
	RevocationEndpoint Endpoint = "revocation"
	UserInfoEndpoint   Endpoint = "userinfo"
	EndSessionEndpoint Endpoint = "end_session"
)

// Mode is how an answer comes.
type Mode string

// The modes of answers. Nothing is committed while a request hangs or is slow: if the
// client leaves in that time, it never happened.
const (
	Instant        Mode = "instant"
	Slow           Mode = "slow"             // after Timing.Delay
	Hang           Mode = "hang"             // never
	CommitThenDrop Mode = "commit_then_drop" // worked out, then the connection is cut
	CommitThenHang Mode = "commit_then_hang" // worked out, and never sent
)

// Timing delays or breaks answers.
type Timing struct {
	Mode  Mode          `json:"mode"`  // zero means instant
	Delay time.Duration `json:"delay"` // of slow answers
	At    []Endpoint    `json:"at"`    // nil means the token endpoint
}

func (t Timing) mode(e Endpoint) Mode {
	if e == TokenEndpoint && t.At == nil || slices.Contains(t.At, e) {
		return t.Mode
	}
	return Instant
}

// CannedAnswer takes the place of a real answer; nothing is committed.
type CannedAnswer struct {
	At      Endpoint          `json:"at"`      // zero means the token endpoint
	Status  int               `json:"status"`  // zero means 503
	Body    string            `json:"body"`    // sent as it is
	Headers map[string]string `json:"headers"` // Content-Type: JSON unless set
	Times   int               `json:"times"`   // zero means once, negative for ever
}

// endpoint wraps a handler: its request is noted, its answer worked out in memory, and
// then sent, delayed or lost as the knobs say.
func (p *Provider) endpoint(e Endpoint, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		err := r.ParseForm()
		p.note(e, r)
		if err != nil {
			http.Error(w, "The form cannot be read.", http.StatusBadRequest)
			return
		}
		if canned := p.takeCanned(e); canned != nil {
			canned.send(w)
			return
		}
		timing := p.turned().Timing
		switch timing.mode(e) {
		case Hang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case Slow:
			if wait(r.Context(), timing.Delay) != nil {
				panic(http.ErrAbortHandler)
			}
		}
		hold := p.takeHold(e)
		a := &answer{status: http.StatusOK, header: make(http.Header)}
		h(a, r)
		hold.wait(r.Context())
		switch timing.mode(e) {
		case CommitThenHang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		case CommitThenDrop:
			panic(http.ErrAbortHandler)
		}
		a.send(w)
	})
}

// answer is a response that is not sent yet. It implements http.ResponseWriter.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client has left, and misses it
}

func (c *CannedAnswer) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range c.Headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(c.Body)))
	status := c.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(c.Body)) // the client has left, and misses it
}

// takeCanned returns the answer that stands in for the next real one of e, nil if none does.
func (p *Provider) takeCanned(e Endpoint) *CannedAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := &p.knobs
	if k.Down || k.DiscoveryDown && e == DiscoveryEndpoint || k.JWKSDown && e == JWKSEndpoint {
		return &CannedAnswer{Body: `{"error":"temporarily_unavailable"}`}
	}
	for i, c := range k.ErrorNext {
		if c.At != e && (c.At != "" || e != TokenEndpoint) {
			continue
		}
		k.ErrorNext = slices.Clone(k.ErrorNext) // others may hold what they gave us
		switch {
		case c.Times > 1:
			k.ErrorNext[i].Times--
		case c.Times >= 0:
			k.ErrorNext = slices.Delete(k.ErrorNext, i, i+1)
		}
		return &c
	}
	if k.Flap > 0 && e == TokenEndpoint {
		k.Flap--
		return &CannedAnswer{Status: k.FlapStatus, Body: `{"error":"temporarily_unavailable"}`}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hold is one answer that is kept back. It is safe for concurrent use.
type Hold struct {
	arrived  chan struct{} // closed when the answer is worked out
	released chan struct{}
	once     sync.Once
}

// Hold keeps back the next answer of an endpoint: what it does is done, and the client
// hears of it after Release. Several holds of an endpoint take one request each.
func (p *Provider) Hold(e Endpoint) *Hold {
	h := &Hold{arrived: make(chan struct{}), released: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds[e] = append(p.holds[e], h)
	p.held[h] = struct{}{}
	return h
}

// Arrived is closed when a request has come and its answer is ready and kept back.
func (h *Hold) Arrived() <-chan struct{} { return h.arrived }

// Release lets the answer go. It may be called before the request, and twice.
func (h *Hold) Release() { h.once.Do(func() { close(h.released) }) }

// ReleaseAll releases every hold and returns how many there were.
func (p *Provider) ReleaseAll() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.held {
		h.Release()
	}
	n := len(p.held)
	clear(p.held)
	return n
}

// takeHold returns the hold that waits for a request at e, nil if there is none.
func (p *Provider) takeHold(e Endpoint) *Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.holds[e]) == 0 {
		return nil
	}
	h := p.holds[e][0]
	p.holds[e] = p.holds[e][1:]
	return h
}

// wait keeps the answer back. A nil hold keeps nothing.
func (h *Hold) wait(ctx context.Context) {
	if h == nil {
		return
	}
	close(h.arrived)
	select {
	case <-h.released:
	case <-ctx.Done():
	}
}
