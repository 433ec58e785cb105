// Package outbound sends requests to plain HTTP/1.1 upstreams in the goroutine that has
// them.
//
// http.Transport gives each connection two goroutines of its own, and a request changes
// hands four times on its way. For most requests of a gateway that is the larger part of
// the cost: a GET without a body needs no more than one write and one read. Those, a
// [Transport] sends itself; all others it leaves to http.Transport:
//
//	RoundTrip ─┬─ GET, HEAD without a body ─▶ connection ─▶ http.ReadResponse
//	           └─ bodies, upgrades, all else ─▶ Fallback
//
// Answers are read by net/http in both cases, so that both take and refuse the same.
package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Transport is an http.RoundTripper for one upstream. It is safe for concurrent use; its
// fields must not change after the first request.
type Transport struct {
	// Host is that of the upstream's URL. Requests whose URL names another are left to
	// Fallback.
	Host string
	// Address is where the upstream listens: host and port.
	Address string
	// Dial opens a connection to Address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Interim hears of the interim answers to a request, in the goroutine of RoundTrip (RFC
	// 9110 §15.2); nil: nobody does. The header is its own.
	Interim func(req *http.Request, status int, header http.Header)
	// Fallback sends what is not for the short way.
	Fallback http.RoundTripper
	// HeaderTimeout bounds the time from the request to the end of the answer's header;
	// zero means no limit.
	HeaderTimeout time.Duration
	// MaxHeaderBytes bounds the header of an answer, and that of each interim answer. It
	// must be more than zero.
	MaxHeaderBytes int64
	// MaxIdle is how many connections are kept for later, and IdleTimeout for how long.
	MaxIdle     int
	IdleTimeout time.Duration

	idle pool
}

// RoundTrip implements http.RoundTripper. The error of an upstream that is too slow has
// Timeout() true; one of a connection that could not be opened is Dial's own. If the
// request's context ends first, the error is its cause.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.takes(req) {
		return t.Fallback.RoundTrip(req)
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for {
		c, err := t.connect(ctx)
		if err != nil {
			return nil, err
		}
		if c.request, err = appendRequest(c.request[:0], req); err != nil {
			t.keep(c) // Nothing is wrong with it, and another would do no better.
			return nil, err
		}
		res, err := t.exchange(ctx, c, req)
		if err == nil {
			return res, nil
		}
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		// The upstream closed the connection while it was idle and the request was on its
		// way. GET and HEAD change nothing, so they may be sent again (RFC 9110 §9.2.2).
		if !c.reused || c.heard || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}

// CloseIdleConnections closes the connections that no request uses; Fallback has its own.
func (t *Transport) CloseIdleConnections() { t.idle.closeAll() }

// takes reports whether the short way is for the request.
func (t *Transport) takes(req *http.Request) bool {
	return glances && (req.Method == http.MethodGet || req.Method == http.MethodHead) &&
		(req.Body == nil || req.Body == http.NoBody) &&
		req.URL.Scheme == "http" && req.URL.Host == t.Host && req.URL.User == nil &&
		req.Host == "" && !req.Close && len(req.TransferEncoding) == 0 && len(req.Trailer) == 0 &&
		req.Header["Upgrade"] == nil && req.Header["Expect"] == nil
}

// connect returns a connection that was kept, or a new one.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	if c := t.idle.get(); c != nil {
		return c, nil
	}
	nc, err := t.Dial(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	return newConn(nc, t), nil
}

// keep puts a connection aside for the next request.
func (t *Transport) keep(c *conn) {
	c.reused, c.since = true, time.Now()
	if cap(c.request) > readBuffer { // One large request must not cost memory for long.
		c.request = nil
	}
	if c.glance == nil || c.buffered.Buffered() > 0 || !t.idle.put(c, t.MaxIdle, t.IdleTimeout) {
		_ = c.Close() // it is not needed any more
	}
}

// exchange sends what stands in c.request and reads the header of the answer. After an error the
// connection is good for nothing.
func (t *Transport) exchange(ctx context.Context, c *conn, req *http.Request) (res *http.Response, err error) {
	c.heard = false
	// A client that leaves ends the exchange, whatever it waits for.
	stop := context.AfterFunc(ctx, c.abort)
	defer func() {
		if err != nil {
			stop()
		}
	}()
	if t.HeaderTimeout > 0 {
		if err := c.SetDeadline(time.Now().Add(t.HeaderTimeout)); err != nil {
			return nil, err
		}
	}
	if _, err := c.Conn.Write(c.request); err != nil {
		return nil, err
	}
	if res, err = t.readHeader(c, req); err != nil {
		return nil, err
	}
	if t.HeaderTimeout > 0 {
		if err := c.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
		if ctx.Err() != nil { // The deadline that is gone may have been abort's.
			return nil, context.Cause(ctx)
		}
	}
	b := &body{from: res.Body, conn: c, stop: stop, reusable: !res.Close && res.StatusCode != http.StatusSwitchingProtocols}
	if res.Body == http.NoBody {
		b.end(true)
		return res, nil
	}
	res.Body = b
	return res, nil
}

// readHeader reads the header of the answer, and tells of interim answers before it.
func (t *Transport) readHeader(c *conn, req *http.Request) (*http.Response, error) {
	for {
		c.left = t.MaxHeaderBytes
		res, err := http.ReadResponse(c.buffered, req)
		if err != nil {
			if c.left <= 0 {
				return nil, errHeaderTooLarge
			}
			if errors.Is(err, io.ErrUnexpectedEOF) && !c.heard {
				return nil, io.EOF
			}
			return nil, err
		}
		if res.StatusCode < 100 {
			return nil, errNoStatus
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			c.left = unlimited
			return res, nil
		}
		if t.Interim != nil {
			t.Interim(req, res.StatusCode, res.Header)
		}
	}
}

var (
	errHeaderTooLarge = errors.New("outbound: the header of the answer is too large")
	errNoStatus       = errors.New("outbound: the status of the answer is below 100")
)

// appendRequest appends the header of a request without a body.
func appendRequest(b []byte, req *http.Request) ([]byte, error) {
	target := req.URL.RequestURI()
	if !plain(target) || strings.IndexByte(target, ' ') >= 0 {
		return b, errors.New("outbound: the target has characters that no request line can have")
	}
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, req.URL.Host...)
	b = append(b, '\r', '\n')
	for name, values := range req.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue // They frame the message, and this one has no body.
		case "User-Agent":
			if len(values) > 0 && values[0] == "" {
				continue // The way to tell net/http that there is none.
			}
		}
		if !token(name) {
			return b, errors.New("outbound: a header's name has characters that no name can have")
		}
		for _, v := range values {
			if !plain(v) {
				return b, errors.New("outbound: the value of " + name + " has characters that no header can have")
			}
			b = append(b, name...)
			b = append(b, ':', ' ')
			b = append(b, strings.Trim(v, " \t")...)
			b = append(b, '\r', '\n')
		}
	}
	return append(b, '\r', '\n'), nil
}

// plain reports whether s can stand in a line of a header (RFC 9110 §5.5).
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token reports whether s can be the name of a header (RFC 9110 §5.6.2).
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
