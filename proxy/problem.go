package proxy

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// Code is the stable name of an error that the gateway answers itself; it stands in the
// Cloakroom-Error header and in the problem body's code.
type Code string

// The codes. Their status is in the function status and nowhere else.
const (
	NoSession            Code = "no_session"
	SessionExpired       Code = "session_expired"
	InteractionRequired  Code = "interaction_required"
	StepUpRequired       Code = "step_up_required"
	BadRequest           Code = "bad_request"
	LoginFailed          Code = "login_failed"
	CSRFFailed           Code = "csrf_failed"
	AccessDenied         Code = "access_denied"
	InsufficientScope    Code = "insufficient_scope"
	ClaimRequired        Code = "claim_required"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	BodyTooLarge         Code = "body_too_large"
	HeaderTooLarge       Code = "header_too_large"
	RefreshThrottled     Code = "refresh_throttled"
	UpstreamUnreachable  Code = "upstream_unreachable"
	ScopeNotAvailable    Code = "scope_not_available"
	WrongAudience        Code = "wrong_audience"
	IDPUnavailable       Code = "idp_unavailable"
	StoreUnavailable     Code = "store_unavailable"
	GatewayMisconfigured Code = "gateway_misconfigured"
	UpstreamTimeout      Code = "upstream_timeout"
)

// status is the one table of codes and statuses. A code that it does not know is a fault
// of the gateway.
func (c Code) status() int {
	switch c {
	case NoSession, SessionExpired, InteractionRequired, StepUpRequired:
		return http.StatusUnauthorized
	case BadRequest, LoginFailed:
		return http.StatusBadRequest
	case CSRFFailed, AccessDenied, InsufficientScope, ClaimRequired:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case HeaderTooLarge:
		return http.StatusRequestHeaderFieldsTooLarge
	case RefreshThrottled:
		return http.StatusTooManyRequests
	case UpstreamUnreachable, ScopeNotAvailable, WrongAudience:
		return http.StatusBadGateway
	case UpstreamTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusServiceUnavailable
}

// retryAfter is what a client is told to wait if nobody said how long: the longest pause
// that the gateway itself makes between two attempts.
const retryAfter = 5 * time.Second

// everyMethod is the Allow header where a route does not narrow it.
const everyMethod = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// Problem is an error that has its answer with it (RFC 9457). Handlers return it, or an
// error that [problemOf] knows.
type Problem struct {
	Code   Code
	Detail string // what the client may read: what is wrong, what to do
	Err    error  // what only the log may read; it may be nil

	RetryAfter  time.Duration // of a 429 or 503; zero means five seconds
	LoginURL    string        // where a login mends it; local
	Allow       string        // of a 405
	ClearTicket bool          // the browser's ticket is worth nothing any more

	demand map[string]string // what the login that mends it has to ask for

	oauth  string      // error code of a protocol whose callers are machines (RFC 6749 §5.2); empty: none
	event  string      // error code of a security event that was pushed (RFC 8935 §2.4); empty: it is none
	status int         // in the place of the code's; zero: the code's
	header http.Header // of the answer, beside what all have
}

// Error implements error. The text is for logs.
func (p *Problem) Error() string {
	if p.Err != nil {
		return "proxy: " + string(p.Code) + ": " + p.Err.Error()
	}
	return "proxy: " + string(p.Code)
}

// Unwrap returns the detail for the log.
func (p *Problem) Unwrap() error { return p.Err }

// answer is the status that the client gets.
func (p *Problem) answer() int { return cmp.Or(p.status, p.Code.status()) }

// problem is a Problem that says what its code says and no more.
func problem(code Code, err error) error { return &Problem{Code: code, Err: err} }

// problemOf is the one mapping from errors to answers. What it does not know is a fault
// of the gateway's own and is answered without any detail.
func (g *Gateway) problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if p := g.problemOfRefresh(err); p != nil {
		return p
	}
	if p := problemOfSession(err); p != nil {
		return p
	}
	if e, ok := errors.AsType[*oidc.LoginError](err); ok {
		if e.Code == "access_denied" {
			return &Problem{Code: AccessDenied, Err: err, Detail: "The sign-in was refused or cancelled."}
		}
		return &Problem{Code: LoginFailed, Err: err, Detail: "The sign-in did not succeed. Please start it again."}
	}
	if errors.Is(err, oidc.ErrNotReady) {
		return &Problem{Code: IDPUnavailable, Err: err, Detail: "The sign-in service does not answer at the moment."}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Problem{Code: BodyTooLarge, Err: err}
	}
	return &Problem{Code: GatewayMisconfigured, Err: err, Detail: "The gateway cannot answer this request."}
}

// problemOfSession maps the decisions of a session.Manager; nil if err is none.
func problemOfSession(err error) *Problem {
	if e, ok := errors.AsType[*session.EndedError](err); ok {
		switch e.Reason {
		case session.Replaced:
			// The browser may hold the newer ticket already: clearing the cookie would
			// throw that away.
			return &Problem{Code: SessionExpired, Err: err, Detail: "A newer sign-in took this session's place."}
		case session.AccessDenied:
			return &Problem{Code: AccessDenied, Err: err, ClearTicket: true, Detail: "The sign-in service refuses access."}
		}
		return &Problem{Code: SessionExpired, Err: err, ClearTicket: true, Detail: "The session has ended. Please sign in again."}
	}
	if e, ok := errors.AsType[*session.ThrottledError](err); ok {
		return &Problem{Code: RefreshThrottled, Err: err, RetryAfter: e.RetryAfter, Detail: "The session was refreshed a moment ago."}
	}
	if _, ok := errors.AsType[*session.StoreError](err); ok {
		return &Problem{Code: StoreUnavailable, Err: err, Detail: "Sessions cannot be read at the moment. You are still signed in."}
	}
	switch {
	case errors.Is(err, session.ErrThrottled):
		return &Problem{Code: RefreshThrottled, Err: err}
	case errors.Is(err, session.ErrNoSession):
		return &Problem{Code: NoSession, Err: err, Detail: "This needs a sign-in."}
	}
	return nil
}

// problemOfRefresh maps a refresh that gave no token; nil if err is none.
func (g *Gateway) problemOfRefresh(err error) *Problem {
	e, ok := errors.AsType[*session.RefreshError](err)
	if !ok {
		return nil
	}
	p := &Problem{Err: err, RetryAfter: e.RetryAfter}
	switch e.Class {
	case session.Transient, session.Unknown:
		p.Code, p.Detail = IDPUnavailable, "The sign-in service does not answer at the moment. You are still signed in."
	case session.Operator:
		p.Code, p.Detail = GatewayMisconfigured, "The gateway's own access to the sign-in service does not work. You are still signed in."
	case session.Interaction:
		p.Code, p.Detail = InteractionRequired, "The sign-in service wants to see you."
		p.demand = e.Demand
	case session.Denied:
		// Of a token exchange: the session lives. If it did not, it would say so itself.
		p.Code, p.Detail = AccessDenied, "The sign-in service refuses access."
	case session.Refused:
		p.Code, p.Detail, p.ClearTicket = SessionExpired, "The session has ended. Please sign in again.", true
	case session.BadScope:
		p.Code, p.Detail = ScopeNotAvailable, "The sign-in service gives no token of the scope that this route asks for."
	case session.BadTarget:
		p.Code, p.Detail = WrongAudience, "The sign-in service gives no token for the API behind this route."
	default:
		p.Code = GatewayMisconfigured
	}
	return p
}

// withLogin adds the login that mends a problem whose session goes on. The page knows best
// where that should come back to.
func (g *Gateway) withLogin(p *Problem) *Problem {
	if p.LoginURL != "" || p.Code != InteractionRequired && p.Code != StepUpRequired {
		return p
	}
	mended := *p
	mended.LoginURL = g.loginURLFor("/", p.demand)
	return &mended
}

// fail answers an error that a handler returned.
func (g *Gateway) fail(x *exchange, r *http.Request, err error) {
	// The client has left: there is nobody to answer, and whatever failed failed for
	// that. Cutting the connection is the only answer that nobody can mistake.
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		x.status, x.err = statusClientLeft, err
		panic(http.ErrAbortHandler)
	}
	p := g.withLogin(g.problemOf(err))
	x.code, x.err = p.Code, p.Err
	g.tellRefusal(x, r, p)
	if x.status != 0 { // The answer has begun.
		panic(http.ErrAbortHandler)
	}
	h := x.Header()
	clearAnswer(h)
	g.ownHeaders(h)
	h.Set("Cloakroom-Error", string(p.Code))
	status := p.answer()
	switch status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", seconds(p.RetryAfter))
	case http.StatusMethodNotAllowed:
		h.Set("Allow", p.Allow)
	case http.StatusRequestEntityTooLarge:
		if r.ProtoMajor == 1 && x.incoming != nil {
			// Else the server would wait for the body before it answers.
			_ = x.incoming.rc.EnableFullDuplex()
			h.Set("Connection", "close")
			defer x.incoming.linger()
		}
	}
	maps.Copy(h, p.header)
	if p.ClearTicket {
		g.clearTicket(x)
	}
	media := "application/problem+json"
	switch {
	case p.event != "":
		media = "application/json" // RFC 8935 §2.3
		h.Set("Content-Language", "en")
	case p.oauth == "" && classify(r).page:
		x.err = errors.Join(x.err, g.pages.problem(x, g, p))
		return
	}
	x.err = errors.Join(x.err, encodeJSON(x, media, status, body(p, status)))
}

// problemBody is the JSON of an error (RFC 9457 §3); where OAuth or the delivery of security
// events have a form for it, it is that, too.
type problemBody struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Code     Code   `json:"code"`
	Detail   string `json:"detail,omitempty"`
	LoginURL string `json:"login_url,omitempty"`
	Error    string `json:"error,omitempty"`
	Reason   string `json:"error_description,omitempty"`
	Err      string `json:"err,omitempty"`
	Says     string `json:"description,omitempty"`
}

func body(p *Problem, status int) problemBody {
	b := problemBody{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: p.Code, Detail: p.Detail, LoginURL: p.LoginURL, Error: p.oauth, Err: p.event}
	if p.oauth != "" {
		b.Reason = p.Detail
	}
	if p.event != "" {
		b.Says = p.Detail
	}
	return b
}

// seconds writes a Retry-After (RFC 9110 §10.2.3), rounded up, at least one.
func seconds(d time.Duration) string {
	if d <= 0 {
		d = retryAfter
	}
	return strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10)
}

// clearAnswer takes back what a handler had prepared before it failed. Cookies stay: a
// handler that set one and then failed meant it.
func clearAnswer(h http.Header) {
	for name := range h {
		if name != "Set-Cookie" {
			delete(h, name)
		}
	}
}
