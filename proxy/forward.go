package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// forward sends a request to the route's upstream and streams the answer back.
func (g *Gateway) forward(x *exchange, r *http.Request, rt *route) error {
	if r.Method == http.MethodOptions && !rt.mayHop(x, r) {
		return nil
	}
	target, ok := rt.targetOf(x.path)
	if !ok {
		return badRequest("The path has characters that cannot be forwarded as they are.")
	}
	x.target = target
	if err := rt.promise(x); err != nil {
		return err
	}
	narrowUpgrade(r)
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	if x.incoming != nil {
		r = r.WithContext(ctx)
		r.Body = x.incoming // of the copy: the server looks at its own
	}
	if r.ContentLength > rt.MaxBody {
		return problem(BodyTooLarge, nil)
	}
	switch {
	case r.ContentLength == 0:
	case x.keepable(r):
		if err := x.keep(r); err != nil {
			return err
		}
	default:
		x.body = &requestBody{Reader: r.Body, left: rt.MaxBody, arrived: r.Trailer}
		r.Body = x.body
		defer func() { _ = x.body.Close() }() // never fails
		if r.ProtoMajor == 1 {
			// Else the server would read the whole body before it sends the head of an
			// answer, and an upstream that answers while it listens would hang. Where that
			// is not supported, it is not needed.
			x.incoming.duplex = x.incoming.rc.EnableFullDuplex() == nil
		}
	}
	defer g.endStream(x)
	if err := g.call(x, rt.outgoing(ctx, x, r)); err != nil {
		return x.failure(r, err)
	}
	return nil
}

// narrowUpgrade leaves of a request to change the protocol what leads to a WebSocket: h2c
// would be a tunnel past every check (RFC 9110 §7.8).
func narrowUpgrade(r *http.Request) {
	if r.Header["Upgrade"] != nil && !isWebSocket(r) {
		r.Header.Del("Upgrade")
	}
}

// targetOf is the path that the upstream gets for a path that was authorised: the same
// bytes, but for strip_prefix and the upstream's own path. It fails for bytes that Go's
// client would write in another way.
func (rt *route) targetOf(path string) (string, bool) {
	path = path[len(rt.strip):]
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	path = rt.base + path
	if !strings.HasPrefix(path, "//") {
		return path, true
	}
	u, err := pathURL(path)
	return path, err == nil && u.EscapedPath() == path
}

func pathURL(path string) (url.URL, error) {
	plain, err := url.PathUnescape(path)
	return url.URL{Path: plain, RawPath: path}, err
}

// answered looks at the head of an upstream's answer before it goes to the client.
func (g *Gateway) answered(ctx context.Context, x *exchange, res *http.Response) error {
	x.route.cleanAnswer(res.Header)
	if x.incoming != nil {
		x.incoming.answered()
	}
	if res.StatusCode == http.StatusUnauthorized && x.route.Token != Passthrough {
		replace(res.Header, "Www-Authenticate", withoutBoxes)
	}
	if x.route.mapping != nil {
		x.route.mapping.rewrite(res, x.client)
	}
	if err := g.challenged(x, res); err != nil {
		return err
	}
	x.keepPrivate(res)
	if _, typed := res.Header["Content-Type"]; !typed {
		x.Header()["Content-Type"] = nil // Else the server would guess one.
	}
	if len(res.Trailer) > 0 {
		res.Header.Del("Content-Length") // HTTP/1.1 has trailers behind chunks only (RFC 9112 §7.1.2).
	}
	switch {
	case res.StatusCode < 100:
		return errors.New("proxy: upstream answered with a status below 100")
	case res.StatusCode == http.StatusSwitchingProtocols:
		if !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") || res.Request.Header.Get("Upgrade") == "" {
			return errors.New("proxy: upstream switched to a protocol that nobody asked for")
		}
		x.status = http.StatusSwitchingProtocols
		x.upgraded = g.upgrade(ctx, x)
	case isEventStream(res):
		g.eventStream(ctx, x, res)
	}
	return nil
}

// keepPrivate says to caches on the way that an answer is for one user. The attack: somebody
// leads the victim to an address that a cache takes for a picture's, and then asks the cache.
// No shared cache stores the answer to an Authorization (RFC 9111 §3.5), and that is what the
// upstream has seen, but not what the browser has sent. Where the upstream says something
// itself, that stands.
func (x *exchange) keepPrivate(res *http.Response) {
	switch {
	case x.token == "" && x.who == nil, res.Header["Cache-Control"] != nil:
	case res.StatusCode == http.StatusNotModified, res.StatusCode == http.StatusSwitchingProtocols:
	default:
		res.Header["Cache-Control"] = []string{"private"}
	}
}

// failure says what a failed exchange with the upstream is to the client.
func (x *exchange) failure(r *http.Request, err error) error {
	if e, ok := errors.AsType[*renewalError](err); ok {
		return e.err
	}
	if asksForLogin(err) {
		return err
	}
	if b := x.body; b != nil {
		switch {
		case b.over.Load():
			return problem(BodyTooLarge, err)
		case x.incoming.paused():
			return badBody("The request's body did not come in time.", os.ErrDeadlineExceeded)
		case b.failed.Load() && r.Context().Err() == nil:
			return badBody("The request's body is damaged.", err)
		}
	}
	if r.Context().Err() != nil {
		return context.Canceled
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return problem(UpstreamUnreachable, err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return problem(UpstreamTimeout, err)
	}
	return problem(UpstreamUnreachable, withoutQuotes(err))
}

// withoutQuotes is err for the log, up to where it quotes what an upstream said: Go's errors
// show the line that they could not read, and that can be a cookie, or a part of an answer of
// which the connection has lost the thread. Certificates are no secrets.
func withoutQuotes(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return err
	}
	text, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes {
		return err
	}
	return errors.New(strings.TrimRight(text, ": "))
}

// badBody refuses a body that the client has not sent as it should. Where it would end
// nobody knows, so the connection does.
func badBody(detail string, err error) error {
	return &Problem{Code: BadRequest, Detail: detail, Err: err, header: http.Header{"Connection": {"close"}}}
}

// mayHop honours Max-Forwards of an OPTIONS request (RFC 9110 §7.6.2): at zero the gateway
// is the one that is asked.
func (rt *route) mayHop(x *exchange, r *http.Request) bool {
	left, err := strconv.Atoi(one(r.Header, "Max-Forwards"))
	switch {
	case err != nil || left < 0:
		return true
	case left > 0:
		r.Header.Set("Max-Forwards", strconv.Itoa(left-1))
		return true
	}
	ownHeaders(x.Header())
	x.Header().Set("Allow", rt.allow())
	x.WriteHeader(http.StatusNoContent)
	return false
}

// requestBody counts a body whose length nobody said, and remembers whether it was the
// client who broke it.
type requestBody struct {
	io.Reader
	left    int64       // the transport's goroutine reads
	closed  atomic.Bool // nobody needs more of it
	over    atomic.Bool // there was more than the route takes
	failed  atomic.Bool // reading failed
	arrived http.Header // trailers of the client, filled in at the end of the body
	onward  http.Header // those that were announced and may go on; the transport sends them
}

// endTrailers puts the trailers that came after the body where the transport looks for them.
func (b *requestBody) endTrailers() {
	for name := range b.onward {
		b.onward[name] = b.arrived[name]
	}
}

var errBodyTooLarge = errors.New("proxy: request body is larger than the route takes")

// Close implements io.Closer for the transport. The client's body is not closed: that would
// read the rest of it, however late that comes. And a transport may still read when the
// exchange is over, which nobody may do then.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}

// Read implements io.Reader. It never hands out a byte beyond the limit.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.left < 0 {
		return 0, errBodyTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.over.Store(true)
		return n - 1, errBodyTooLarge
	}
	switch {
	case errors.Is(err, io.EOF):
		b.endTrailers()
	case err != nil:
		b.failed.Store(true)
	}
	return n, err
}
