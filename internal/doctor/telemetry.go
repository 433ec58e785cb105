package doctor

import (
	"context"
	"net"
	"net/url"
)

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
