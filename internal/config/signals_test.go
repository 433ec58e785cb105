package config_test

import (
	"slices"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

func TestAnEventDoesItsDefaultUnlessTheFileSaysOtherwise(t *testing.T) {
	t.Parallel()
	s := config.Signals{Events: map[string]config.SignalEffect{
		"credential-change": config.RefreshSessions, "session-revoked": config.IgnoreSignal, "risk-level-change": config.EndSessions,
	}}
	got := s.Effects()
	for name, want := range map[string]config.SignalEffect{
		"credential-change": config.RefreshSessions, "session-revoked": config.IgnoreSignal, "risk-level-change": config.EndSessions,
		"account-disabled": config.EndSessions, "token-claims-change": config.RefreshSessions, "account-enabled": "",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for name := range new(config.Signals).Effects() {
		if !slices.Contains(config.SignalEvents(), name) {
			t.Errorf("%s has an effect and no name", name)
		}
	}
}
