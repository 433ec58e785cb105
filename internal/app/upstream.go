package app

import (
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// shapes makes one proxy.UpstreamTLS of each that the configuration has, so that routes to
// the same upstream share its connections.
type shapes map[config.UpstreamTLS]*proxy.UpstreamTLS

// get returns nil for the zero UpstreamTLS.
func (s shapes) get(c config.UpstreamTLS, log *slog.Logger) (*proxy.UpstreamTLS, error) {
	if c == (config.UpstreamTLS{}) || s[c] != nil {
		return s[c], nil
	}
	shape := &proxy.UpstreamTLS{ServerName: c.ServerName}
	if c.CAFile != "" {
		trusted, err := watch("roots", log, func() (*x509.CertPool, error) { return roots(c.CAFile) }, c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("upstream_tls.ca_file: %w", err)
		}
		shape.Roots = trusted.get
	}
	if c.CertFile != "" {
		pair, err := newCertificate(c.CertFile, c.KeyFile, log)
		if err != nil {
			return nil, fmt.Errorf("upstream_tls.cert_file: %w", err)
		}
		shape.Certificate = pair.get
	}
	s[c] = shape
	return shape, nil
}

// setUpstream says where a route leads, and how.
func setUpstream(to *proxy.Route, r config.Route, s shapes, log *slog.Logger) (err error) {
	if len(r.Upstream) == 0 {
		return nil
	}
	to.Upstream, to.Replicas = r.Upstream[0], r.Upstream[1:]
	if len(to.Replicas) > 0 {
		to.Balance = proxy.Balance(r.Balance)
	}
	to.UpstreamTLS, err = s.get(r.UpstreamTLS, log)
	return err
}
