package app

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

// Examine holds a configuration against the live provider, store and upstreams, as the
// gateway would meet them, and changes nothing.
func Examine(ctx context.Context, cfg *config.Config, warnings config.Problems) doctor.Report {
	provider, err := providerConfig(cfg)
	return doctor.Examine(ctx, doctor.Patient{Config: cfg, Warnings: warnings, Provider: provider, ProviderProblem: err, UpstreamTLS: func(r config.Route) (*tls.Config, error) {
		return upstreamTLS(cfg, r)
	}})
}

// upstreamTLS is what connections to a route's upstream begin with, as its files stand now.
func upstreamTLS(cfg *config.Config, r config.Route) (*tls.Config, error) {
	shape, err := make(shapes).get(r.UpstreamTLS, bindingOf(cfg, r), slog.New(slog.DiscardHandler))
	if shape == nil || err != nil {
		return nil, err
	}
	secure := &tls.Config{ServerName: shape.ServerName, MinVersion: tls.VersionTLS12}
	if shape.Roots != nil {
		secure.RootCAs = shape.Roots()
	}
	if shape.Certificate != nil {
		secure.Certificates = []tls.Certificate{*shape.Certificate()}
	}
	return secure, nil
}
