package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// upstreams asks every server of a route. While one of them answers, the route works.
func (e *exam) upstreams(ctx context.Context, c *chart, i int, rt config.Route) {
	secure, err := e.UpstreamTLS(rt)
	if err != nil {
		c.fail(fmt.Sprintf("routes[%d].upstream_tls", i), quote(err.Error()), "write files in PEM that belong together")
		return
	}
	answers, errs := make([]*answer, len(rt.Upstream)), make([]error, len(rt.Upstream))
	var asked sync.WaitGroup
	for j, to := range rt.Upstream {
		asked.Go(func() { answers[j], errs[j] = e.knock(ctx, to, rt.Balance.HealthPath, secure) })
	}
	asked.Wait()
	up := 0
	for _, err := range errs {
		if err == nil {
			up++
		}
	}
	for j, to := range rt.Upstream {
		judgeUpstream(c, i, to, rt.Balance.HealthPath, answers[j], errs[j], up > 0)
	}
}

// judgeUpstream says of one server what came of asking it. others says that the route works
// without it.
func judgeUpstream(c *chart, i int, to *url.URL, health string, a *answer, err error, others bool) {
	check, name := fmt.Sprintf("routes[%d].upstream", i), to.Redacted()
	if err != nil {
		found, remedy := explain(err, fmt.Sprintf("routes[%d].upstream_tls.ca_file", i))
		verdict := Fail
		if others {
			verdict = Warn
		}
		c.add(verdict, check, name+" is away: "+found, remedy)
		return
	}
	switch {
	case health != "" && (a.status < 200 || a.status >= 400):
		c.warn(check, fmt.Sprintf("%s answers %s with status %d, and is left out", name, health, a.status), "look at its log, or correct balance.health_path")
	case a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented:
		c.warn(check, fmt.Sprintf("%s answers, with status %d", name, a.status), "look at its log")
	default:
		c.pass(check, fmt.Sprintf("%s answered in %s", name, a.took.Round(time.Millisecond)))
	}
}

// knock asks for the health of an upstream, or else for the head of its address, without a
// token: whatever it then answers, it is there.
func (e *exam) knock(ctx context.Context, to *url.URL, health string, secure *tls.Config) (*answer, error) {
	address, protocols := *to, new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	if to.Scheme == "h2c" {
		address.Scheme = "http"
		protocols = new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
	}
	method := http.MethodHead
	if health != "" {
		method, address.Path, address.RawPath = http.MethodGet, health, ""
	}
	b := e.web.trusting(secure, protocols)
	defer b.transport.CloseIdleConnections()
	return b.ask(ctx, &http.Client{Transport: b.transport, CheckRedirect: noRedirect}, method, address.String())
}
