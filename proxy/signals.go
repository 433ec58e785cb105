package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Signals says whose security events the gateway takes, and what comes of them.
type Signals struct {
	// Receiver checks them; nil means that none are taken, and there is no endpoint.
	Receiver *oidc.Receiver
	// Authorization is the whole value of the header that every push must have; empty means
	// that the signature is the only credential.
	Authorization session.Token
	// Effects are by the name of the event. What is not there is acknowledged and no more.
	Effects map[string]Effect
}

// Effect is what a security event does to the sessions that it is about.
type Effect int

// The effects of security events.
const (
	Acknowledge     Effect = iota // none
	EndSessions                   // they end
	RefreshSessions               // they fetch a new token and new claims before their next call
)

// Signal tells of a security event that was taken. It holds nothing that came from outside but
// what the transmitter has signed.
type Signal struct {
	Issuer  string // the transmitter
	Token   string // jti
	Type    string // URI
	Name    string // of a type that is known here, else empty
	Outcome SignalOutcome
	// Sessions is how many it has ended or told to refresh.
	Sessions int
	Err      error  // of one that failed
	Trace    string // names the request's trace; empty if there is none
}

// SignalOutcome says what came of a security event.
type SignalOutcome string

// The outcomes of security events.
const (
	SignalEnded        SignalOutcome = "ended"        // its sessions ended, if there were any
	SignalRefreshes    SignalOutcome = "refreshes"    // they refresh before their next call
	SignalAcknowledged SignalOutcome = "acknowledged" // it has no effect here
	SignalRepeated     SignalOutcome = "repeated"     // it came before, and has no effect again
	SignalFailed       SignalOutcome = "failed"       // it could not be carried out, and has to come again
)

// maxEventToken bounds a security event token, in bytes.
const maxEventToken = 64 << 10

// securityEvents answers POST /bff/signals: a transmitter tells of what happened to users and
// their sessions (OpenID Shared Signals Framework 1.0; push by RFC 8935). Neither cookie nor
// CSRF proof is asked for, and none would help.
//
//	header ─▶ token ─▶ came before? ─▶ sessions end, or refresh ─▶ marked as used ─▶ 202
//
// As with logout tokens, a mark is made when the work is done. A token that comes again is
// answered as if it had not come before (RFC 8935 §2), since its transmitter may not have got
// the first answer; but it does nothing.
func (g *Gateway) securityEvents(w http.ResponseWriter, r *http.Request) error {
	if err := g.takeEvents(w, r); err != nil {
		return g.refusedEvent(err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (g *Gateway) takeEvents(w http.ResponseWriter, r *http.Request) error {
	if want := g.cfg.Signals.Authorization; want != "" && !sameSecret(one(r.Header, "Authorization"), want.Reveal()) {
		return &Problem{Code: BadRequest, event: "authentication_failed", Detail: "The Authorization header is not the one that was agreed on."}
	}
	raw, err := eventTokenOf(w, r)
	if err != nil {
		return err
	}
	// A transmitter that hangs up has not changed its mind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWait)
	defer cancel()
	if err := g.signals.enter(ctx); err != nil {
		return err
	}
	defer g.signals.leave()
	t, err := g.cfg.Signals.Receiver.Verify(ctx, raw)
	if err != nil {
		return err
	}
	used := "security event of " + t.Issuer
	err = g.cfg.Sessions.Unused(ctx, used, t.ID)
	if errors.Is(err, session.ErrUsed) {
		for _, e := range t.Events {
			g.signalled(r, t, e, Signal{Outcome: SignalRepeated})
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range t.Events {
		done := g.carryOut(ctx, e)
		g.signalled(r, t, e, done)
		if done.Err != nil {
			return done.Err
		}
	}
	err = g.cfg.Sessions.Once(ctx, used, t.ID, t.Until.Sub(g.cfg.Now())+markSlack)
	if errors.Is(err, session.ErrUsed) {
		return nil // a second one at the same time did the same work
	}
	return err
}

// carryOut does what an event asks for.
func (g *Gateway) carryOut(ctx context.Context, e oidc.SecurityEvent) Signal {
	ctx = session.By(ctx, e.Name)
	done := Signal{Outcome: SignalAcknowledged}
	for _, word := range e.About {
		var n int
		switch g.cfg.Signals.Effects[e.Name] {
		case EndSessions:
			done.Outcome = SignalEnded
			n, done.Err = g.cfg.Sessions.SignedOut(ctx, word, session.BySignal)
		case RefreshSessions:
			done.Outcome = SignalRefreshes
			n, done.Err = g.cfg.Sessions.Outdated(ctx, word)
		}
		done.Sessions += n
		if done.Err != nil {
			done.Outcome = SignalFailed
			break
		}
	}
	return done
}

func (g *Gateway) signalled(r *http.Request, t *oidc.EventToken, e oidc.SecurityEvent, s Signal) {
	if g.cfg.Signalled == nil {
		return
	}
	s.Issuer, s.Token, s.Type, s.Name, s.Trace = t.Issuer, t.ID, e.Type, e.Name, g.traceOf(r)
	g.cfg.Signalled(s)
}

// eventTokenOf reads the body, which is the token and nothing else.
func eventTokenOf(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/secevent+jwt" {
		return "", &Problem{Code: BadRequest, event: oidc.InvalidRequest, Detail: "Send one token as application/secevent+jwt."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEventToken))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return "", err
		}
		return "", &Problem{Code: BadRequest, event: oidc.InvalidRequest, Err: err, Detail: "The token could not be read."}
	}
	return string(body), nil
}

// refusedEvent is the answer to a security event that came to nothing. What will never be any
// good is a 400 in the form of RFC 8935; the rest says that it has to come again.
func (g *Gateway) refusedEvent(err error) error {
	if e, ok := errors.AsType[*oidc.EventError](err); ok {
		return &Problem{Code: BadRequest, Err: err, event: e.Code, Detail: e.Err.Error()}
	}
	p := *g.problemOf(err)
	if p.answer() >= http.StatusInternalServerError {
		p.Detail = "The event could not be carried out. Please send the token again."
	}
	return &p
}
