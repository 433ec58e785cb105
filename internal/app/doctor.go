package app

import (
	"context"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/doctor"
)

// Examine holds a configuration against the live provider, store and upstreams, as the
// gateway would meet them, and changes nothing.
func Examine(ctx context.Context, cfg *config.Config, warnings config.Problems) doctor.Report {
	provider, err := providerConfig(cfg)
	return doctor.Examine(ctx, doctor.Patient{Config: cfg, Warnings: warnings, Provider: provider, ProviderProblem: err})
}
