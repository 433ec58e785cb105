package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// near is how long something on this machine may take.
const near = 5 * time.Second

// nearby is a browser for this machine's own listeners.
func (e *exam) nearby() *browser {
	b := e.web.trusting(nil, nil)
	b.timeout = min(near, e.web.timeout)
	return b
}

// alive reports whether a gateway answers on the admin listener.
func (e *exam) alive(ctx context.Context) bool {
	a, err := e.nearby().get(ctx, "http://"+reachable(e.cfg.Admin.Listen)+"/healthz")
	if err != nil || a.status != http.StatusOK {
		return false
	}
	var health struct{ Status string }
	return json.Unmarshal(a.body, &health) == nil && health.Status == "ok"
}

// gateway asks a running gateway whether it is ready, and why not.
func (e *exam) gateway(ctx context.Context, c *chart) {
	const check = "gateway"
	if !e.running {
		c.pass(check, "it is not running here: nobody answers as it on admin.listen")
		return
	}
	a, err := e.nearby().get(ctx, "http://"+reachable(e.cfg.Admin.Listen)+"/readyz")
	if err != nil {
		found, remedy := explain(err, "")
		c.warn(check, found, remedy)
		return
	}
	if a.status == http.StatusOK {
		c.pass(check, "it is running, and ready")
		return
	}
	var state struct{ Reasons []struct{ What, Why string } }
	_ = json.Unmarshal(a.body, &state) // without reasons the status still tells
	var why []string
	for _, r := range state.Reasons {
		why = append(why, r.What+": "+quote(r.Why))
	}
	c.fail(check, fmt.Sprintf("it is running, and not ready (status %d) %s", a.status, strings.Join(why, "; ")), "the lines below may tell more; so does its log")
}

// listeners sees whether the gateway can listen where it is to, or does.
func (e *exam) listeners(ctx context.Context, c *chart) {
	for _, l := range []struct{ key, address string }{
		{"listen", e.cfg.Listen}, {"forward_auth.listen", e.cfg.ForwardAuth.Listen}, {"admin.listen", e.cfg.Admin.Listen},
	} {
		switch {
		case l.address == "":
		case e.running:
			e.listening(ctx, c, l.key, l.address)
		default:
			mayListen(ctx, c, l.key, l.address)
		}
	}
	e.certificate(c)
}

// listening sees whether a running gateway listens at an address.
func (e *exam) listening(ctx context.Context, c *chart, key, address string) {
	dialer := net.Dialer{Timeout: near}
	conn, err := dialer.DialContext(ctx, "tcp", reachable(address))
	if err != nil {
		c.fail(key, "the gateway is running, and nobody listens at "+address, "restart it, if the configuration was changed")
		return
	}
	_ = conn.Close() // nothing was sent
	c.pass(key, "the gateway listens at "+address)
}

// mayListen listens for a moment.
func mayListen(ctx context.Context, c *chart, key, address string) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		_ = l.Close() // nobody has called
		c.pass(key, address+" is free")
	case errors.Is(err, syscall.EADDRINUSE):
		c.fail(key, "another program listens at "+address, "stop it, or write another port")
	case errors.Is(err, syscall.EACCES):
		c.fail(key, "this user may not listen at "+address, "write a port from 1024 on, or give the process CAP_NET_BIND_SERVICE")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.fail(key, address+" is no address of this machine", "write one that is, or leave the host out")
	default:
		c.fail(key, "the gateway cannot listen at "+address+": "+quote(err.Error()), "write another address")
	}
}

// reachable is an address at which a listener can be called from this machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// certificate looks at the public listener's own.
func (e *exam) certificate(c *chart) {
	const check = "tls.cert_file"
	if e.cfg.TLS.CertFile == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(e.cfg.TLS.CertFile, e.cfg.TLS.KeyFile)
	if err != nil {
		c.fail(check, quote(err.Error()), "write a certificate chain and its key, both in PEM")
		return
	}
	const soon = 14 * 24 * time.Hour
	leaf, left := pair.Leaf, pair.Leaf.NotAfter.Sub(e.now())
	host := e.cfg.PublicURL.Hostname()
	switch {
	case left <= 0:
		c.fail(check, "the certificate has expired on "+leaf.NotAfter.Format(time.DateOnly), "renew it; the gateway notices a new file by itself")
	case e.now().Before(leaf.NotBefore):
		c.fail(check, "the certificate is not valid before "+leaf.NotBefore.Format(time.RFC3339), "compare the clock of this machine")
	case leaf.VerifyHostname(host) != nil:
		c.fail(check, "the certificate is not for "+host+", the host of public_url", "issue one that names it")
	case left < soon:
		c.warn(check, "the certificate expires on "+leaf.NotAfter.Format(time.DateOnly), "renew it; the gateway notices a new file by itself")
	default:
		c.pass(check, "it is for "+host+", until "+leaf.NotAfter.Format(time.DateOnly))
	}
}
