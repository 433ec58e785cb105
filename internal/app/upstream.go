package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/cloakroom-bff/cloakroom/internal/clientkey"
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// shapes makes one proxy.UpstreamTLS of each that the configuration has, so that routes to
// the same upstream share its connections.
type shapes map[shapeKey]*proxy.UpstreamTLS

// shapeKey is what decides a shape. Of the keys that tokens are bound to it has the digest, so
// that a rotation begins new connections: the old ones have presented another certificate.
type shapeKey struct {
	config.UpstreamTLS
	bound string
}

// get returns nil for the zero UpstreamTLS without a binding.
func (s shapes) get(c config.UpstreamTLS, bound *clientkey.Set, log *slog.Logger) (*proxy.UpstreamTLS, error) {
	key := shapeKey{c, bound.Digest()}
	if key == (shapeKey{}) || s[key] != nil {
		return s[key], nil
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
	if pair := bound.Certificate(); pair != nil {
		shape.Certificate = func() *tls.Certificate { return pair }
	}
	s[key] = shape
	return shape, nil
}

// bindingOf returns the keys that a route's tokens are bound to (RFC 8705 §3), nil for none.
// Connections that carry such a token present their certificate, and no other route's do.
func bindingOf(cfg *config.Config, r config.Route) *clientkey.Set {
	if cfg.Provider.SenderConstrained != config.MTLSBound || !r.SendsToken() {
		return nil
	}
	return cfg.Provider.ClientKeys
}

// setUpstream says where a route leads, and how.
func setUpstream(to *proxy.Route, r config.Route, bound *clientkey.Set, s shapes, log *slog.Logger) (err error) {
	if len(r.Upstream) == 0 {
		return nil
	}
	to.Upstream, to.Replicas = r.Upstream[0], r.Upstream[1:]
	if len(to.Replicas) > 0 {
		to.Balance = proxy.Balance(r.Balance)
	}
	to.UpstreamTLS, err = s.get(r.UpstreamTLS, bound, log)
	return err
}
