package proxy

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// exchange is what is known of one request while it is served, and how it was answered.
// It stands between the handlers and the server's ResponseWriter: it notes the status and
// keeps what belongs to the gateway out of an upstream's interim answers. One goroutine
// owns it, the one that serves.
type exchange struct {
	w      http.ResponseWriter
	began  time.Time
	client client
	path   string // as it stood in the request line
	name   string // of the route, for logs and metrics

	sharing *sharing // nil: answers are for the public origin alone

	route    *route
	target   string           // the path that goes to the upstream
	state    *session.State   // of the live session; nil: anonymous
	who      *session.Session // as above
	token    session.Token    // for the upstream; empty: none
	key      session.Token    // that the token is bound to; empty: it is a bearer token
	kind     TokenKind        // whose it is
	minted   bool             // it was made while this request waited for it
	bearer   bool             // a machine client's own token goes on, and nothing of the gateway's
	proof    string           // the identity assertion for the upstream; empty: none
	promises []string         // values of the headers that the route sets
	kept     []byte           // the request's body, to be sent again; nil: it cannot be
	body     *requestBody     // nil: the request has none
	incoming *clientBody      // as above
	stream   *stream          // nil: the exchange is none

	upgraded func(net.Conn) net.Conn // takes over the connection of a WebSocket; nil: it is none

	step session.Step // how its token was come by, as it was foreseen; for the trace

	replayed bool // sent to the upstream twice, since it refused the first token

	opened time.Time // when it became a stream; zero: it is none

	status int   // 0: nothing was answered yet
	code   Code  // of an error of the gateway's own
	err    error // for the log
}

type exchangeKey struct{}

// exchangeOf returns the exchange that ctx belongs to.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.w.Header() }

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	return x.w.Write(p)
}

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	switch {
	case status >= 200 || status == http.StatusSwitchingProtocols:
		if x.status == 0 {
			x.status = status
		}
		if x.sharing != nil {
			x.sharing.write(x.Header())
		}
	case x.route != nil:
		// An interim answer (103) is the upstream's, too, and passes no other check.
		x.route.cleanAnswer(x.Header())
	}
	x.w.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }
