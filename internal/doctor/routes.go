package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// routes looks at where each route leads.
func (e *exam) routes(ctx context.Context, c *chart) {
	charts := make([]chart, len(e.cfg.Routes))
	seen := make(map[string]bool)
	var asked sync.WaitGroup
	for i, rt := range e.cfg.Routes {
		if rt.Files != "" {
			staticFiles(&charts[i], i, rt.Files)
			continue
		}
		place := fmt.Sprint(rt.Upstream, rt.UpstreamTLS)
		if seen[place] {
			continue
		}
		seen[place] = true
		asked.Go(func() { e.upstreams(ctx, &charts[i], i, rt) })
	}
	asked.Wait()
	for _, one := range charts {
		c.lines = append(c.lines, one.lines...)
	}
}

// staticFiles sees whether there is a single-page application.
func staticFiles(c *chart, i int, dir string) {
	check := fmt.Sprintf("routes[%d].files", i)
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		c.fail(check, "the directory cannot be read: "+quote(err.Error()), "build the application, or correct the path")
		return
	case !info.IsDir():
		c.fail(check, dir+" is no directory", "name the directory that holds index.html")
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		c.warn(check, dir+" has no index.html, which unknown paths get", "build the application, or correct the path")
		return
	}
	c.pass(check, dir+" holds an application")
}

// upstreams asks every server of a route. While one of them answers, the route works.
func (e *exam) upstreams(ctx context.Context, c *chart, i int, rt config.Route) {
	check := fmt.Sprintf("routes[%d].upstream", i)
	roots := fmt.Sprintf("routes[%d].upstream_tls.ca_file", i)
	secure, err := upstreamTLS(rt.UpstreamTLS)
	if err != nil {
		c.fail(fmt.Sprintf("routes[%d].upstream_tls", i), quote(err.Error()), "write files in PEM that belong together")
		return
	}
	type outcome struct {
		to     *url.URL
		answer *answer
		err    error
	}
	all := make([]outcome, len(rt.Upstream))
	var asked sync.WaitGroup
	for j, to := range rt.Upstream {
		asked.Go(func() {
			a, err := e.knock(ctx, to, secure)
			all[j] = outcome{to, a, err}
		})
	}
	asked.Wait()
	up := 0
	for _, o := range all {
		if o.err == nil {
			up++
		}
	}
	for _, o := range all {
		name := o.to.Redacted()
		switch {
		case o.err != nil && up > 0:
			found, remedy := explain(o.err, roots)
			c.warn(check, fmt.Sprintf("one of %d upstreams is away: %s", len(all), found), remedy)
		case o.err != nil:
			found, remedy := explain(o.err, roots)
			c.fail(check, name+" is away: "+found, remedy)
		case o.answer.status >= http.StatusInternalServerError && o.answer.status != http.StatusNotImplemented:
			c.warn(check, fmt.Sprintf("%s answers, with status %d", name, o.answer.status), "look at its log")
		default:
			c.pass(check, fmt.Sprintf("%s answered in %s", name, o.answer.took.Round(1e6)))
		}
	}
}

// knock asks for the head of the upstream's address, without a token: whatever it answers,
// it is there.
func (e *exam) knock(ctx context.Context, to *url.URL, secure *tls.Config) (*answer, error) {
	address, protocols := *to, new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	if to.Scheme == "h2c" {
		address.Scheme = "http"
		protocols = new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
	}
	b := e.web.trusting(secure, protocols)
	defer b.transport.CloseIdleConnections()
	return b.ask(ctx, &http.Client{Transport: b.transport, CheckRedirect: noRedirect}, http.MethodHead, address.String())
}

// upstreamTLS reads the files of a route. nil: the system's roots, and no certificate.
func upstreamTLS(files config.UpstreamTLS) (*tls.Config, error) {
	if files == (config.UpstreamTLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: files.ServerName}
	if files.CAFile != "" {
		pem, err := os.ReadFile(files.CAFile)
		if err != nil {
			return nil, err
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, err
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", files.CAFile)
		}
	}
	if files.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// telemetry sees whether traces have somewhere to go.
func (e *exam) telemetry(ctx context.Context, c *chart) {
	const check = "telemetry.otlp_endpoint"
	to, err := url.Parse(e.cfg.Telemetry.OTLPEndpoint)
	if err != nil || to.Host == "" {
		return
	}
	address := to.Host
	if to.Port() == "" {
		address = net.JoinHostPort(to.Hostname(), map[string]string{"https": "443"}[to.Scheme])
	}
	dialer := net.Dialer{Timeout: near}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		found, remedy := (&unreached{address: e.cfg.Telemetry.OTLPEndpoint, stage: connecting, within: near, err: err}).explain("")
		c.warn(check, "traces are lost: "+found, remedy)
		return
	}
	_ = conn.Close() // nothing was sent
	c.pass(check, "somebody listens at "+address)
}
