package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/outbound"
)

// UpstreamTLS shapes the connections to an https upstream. What its functions return counts
// for the next connection. They must be safe for concurrent use.
type UpstreamTLS struct {
	ServerName  string                  // in the upstream's certificate; empty: its host
	Roots       func() *x509.CertPool   // whom to trust; nil: the system's roots
	Certificate func() *tls.Certificate // the gateway's own; nil: none
}

// transports makes one Transport for each server, time-out and kind of TLS: the limit until
// the response header is a Transport's own.
type transports map[transportKey]*transport

type transportKey struct {
	server  string // scheme, host and port
	timeout time.Duration
	tls     *UpstreamTLS
}

// transport sends requests to one server.
type transport struct {
	longWay
	upgrades *http.Transport     // for WebSockets, where others may go by HTTP/2; nil: no difference
	short    *outbound.Transport // for most requests to a plain upstream; it knows which; nil: for none
	dialer   *dialer
	address  string
}

// Limits of a connection to an upstream. Beside them stands the route's own time-out, which
// is for the response header.
const (
	connectTimeout   = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	continueTimeout  = time.Second // for 100 Continue; then the body goes out unasked
	idleTimeout      = 90 * time.Second
	pingTimeout      = 15 * time.Second // HTTP/2: for any sign of life, and then for the answer to a ping
	idlePerHost      = 256
	headerBytes      = 1 << 20
)

// transport returns the transport for a server.
func (w *ways) transport(u *url.URL, timeout time.Duration, t *UpstreamTLS) *transport {
	key := transportKey{u.Scheme + "://" + u.Host, timeout, t}
	return known(w.transports, w.before.transports, key, func() *transport { return newTransport(u, timeout, t) })
}

func newTransport(u *url.URL, timeout time.Duration, shape *UpstreamTLS) *transport {
	d := &dialer{
		plain:     (&net.Dialer{Timeout: min(connectTimeout, timeout), KeepAlive: 30 * time.Second}).DialContext,
		shape:     shape,
		protocols: []string{"h2", "http/1.1"},
	}
	t := &transport{longWay: longWay{d.transport(timeout)}, dialer: d, address: address(u)}
	switch u.Scheme {
	case "h2c":
		t.Protocols.SetUnencryptedHTTP2(true)
	case "https":
		t.Protocols.SetHTTP1(true)
		t.Protocols.SetHTTP2(true)
		// Once HTTP/2 is agreed on, nothing can be upgraded any more.
		old := *d
		old.protocols = old.protocols[1:]
		t.upgrades = old.transport(timeout)
		t.upgrades.Protocols.SetHTTP1(true)
	default:
		t.Protocols.SetHTTP1(true)
		t.short = &outbound.Transport{
			Host: u.Host, Address: t.address, Dial: d.dial, Fallback: t.longWay, Interim: tellInterim,
			HeaderTimeout: timeout, MaxHeaderBytes: headerBytes, MaxIdle: idlePerHost, IdleTimeout: idleTimeout,
		}
	}
	return t
}

// transport returns a Transport that speaks no protocol yet.
func (d *dialer) transport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		// No Proxy: an HTTP_PROXY in the environment is for the way out, not to upstreams.
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		ResponseHeaderTimeout:  timeout,
		ExpectContinueTimeout:  continueTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: headerBytes,
		DisableCompression:     true, // What the client did not ask for it does not get.
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingTimeout, PingTimeout: pingTimeout},
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case req.Body != nil && (req.ContentLength < 0 || req.ContentLength > replayable):
		return uploadTo(t.longWay, req)
	case t.short != nil:
		return t.short.RoundTrip(req)
	case t.upgrades != nil && req.Header["Upgrade"] != nil:
		return longWay{t.upgrades}.RoundTrip(req)
	}
	return t.longWay.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (t *transport) CloseIdleConnections() {
	t.Transport.CloseIdleConnections()
	if t.upgrades != nil {
		t.upgrades.CloseIdleConnections()
	}
	if t.short != nil {
		t.short.CloseIdleConnections()
	}
}

// connect reports whether a connection comes about.
func (t *transport) connect(ctx context.Context) error {
	dial := t.dialer.dial
	if t.upgrades != nil {
		dial = t.dialer.dialTLS
	}
	c, err := dial(ctx, "tcp", t.address)
	if err != nil {
		return err
	}
	return c.Close()
}

// wireScheme is the scheme of an upstream to Go's client, which knows h2c by its Protocols.
func wireScheme(u *url.URL) string {
	if u.Scheme == "h2c" {
		return "http"
	}
	return u.Scheme
}

// address is where to connect to.
func address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialer makes connections. All its errors are dialErrors.
type dialer struct {
	plain     func(ctx context.Context, network, address string) (net.Conn, error)
	shape     *UpstreamTLS // nil: as Go does it
	protocols []string     // to be offered (ALPN)
}

// dialError is a connection that did not come about, so that nothing of a request can have
// been sent.
type dialError struct {
	step string
	err  error
}

func (e *dialError) Error() string { return "proxy: upstream: " + e.step + ": " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.plain(ctx, network, address)
	if err != nil {
		return nil, &dialError{"connecting", err}
	}
	return c, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address) // the dial has read it
	secure := tls.Client(c, d.shape.config(host, d.protocols))
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, &dialError{"TLS handshake", err}
	}
	return secure, nil
}

// config is made anew for each connection, since roots and certificates change.
func (u *UpstreamTLS) config(host string, protocols []string) *tls.Config {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: protocols}
	if u == nil {
		return c
	}
	if u.ServerName != "" {
		c.ServerName = u.ServerName
	}
	if u.Roots != nil {
		c.RootCAs = u.Roots()
	}
	if u.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return u.Certificate(), nil
		}
	}
	return c
}
