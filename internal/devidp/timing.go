package devidp

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
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
	PushEndpoint       Endpoint = "par"
	TokenEndpoint      Endpoint = "token"
	RevocationEndpoint Endpoint = "revocation"
	UserInfoEndpoint   Endpoint = "userinfo"
	EndSessionEndpoint Endpoint = "end_session"
)

func endpoints() []Endpoint {
	return []Endpoint{
		DiscoveryEndpoint, JWKSEndpoint, AuthorizeEndpoint, SignInEndpoint, PushEndpoint, TokenEndpoint,
		RevocationEndpoint, UserInfoEndpoint, EndSessionEndpoint,
	}
}

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
	Status  int               `json:"status"`  // 200 to 599; anything else means 503
	Body    string            `json:"body"`    // sent as it is
	Headers map[string]string `json:"headers"` // Content-Type: JSON unless set
	Times   int               `json:"times"`   // zero means once, negative for ever
}

// endpoint wraps a handler: its request is noted, its answer worked out in memory, and
// then sent, delayed or lost as the knobs say.
func (p *Provider) endpoint(e Endpoint, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Date", p.clock(p.turned()).UTC().Format(http.TimeFormat))
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
		p.keepBack(r.Context(), hold)
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
	w.WriteHeader(orStatus(c.Status, http.StatusServiceUnavailable))
	_, _ = w.Write([]byte(c.Body)) // the client has left, and misses it
}

// orStatus returns status, or another one where net/http would not send it.
func orStatus(status, otherwise int) int {
	if status < 200 || status > 599 {
		return otherwise
	}
	return status
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
