package app

import (
	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/proxy"
	"github.com/cloakroom-bff/cloakroom/session"
)

// newSignals says whose security events are taken, if the configuration names somebody.
func newSignals(s *config.Signals, provider *oidc.Client) (proxy.Signals, error) {
	if s.Issuer == "" {
		return proxy.Signals{}, nil
	}
	receiver, err := oidc.NewReceiver(oidc.ReceiverConfig{Issuer: s.Issuer, Audience: s.Audience, JWKS: s.JWKSURL}, provider)
	if err != nil {
		return proxy.Signals{}, err
	}
	effects := make(map[string]proxy.Effect)
	for name, effect := range s.Effects() {
		effects[name] = map[config.SignalEffect]proxy.Effect{
			config.EndSessions: proxy.EndSessions, config.RefreshSessions: proxy.RefreshSessions, config.IgnoreSignal: proxy.Acknowledge,
		}[effect]
	}
	return proxy.Signals{Receiver: receiver, Authorization: session.Token(s.Authorization.Reveal()), Effects: effects}, nil
}

// signalled counts a security event and writes it into the audit log.
func (a *App) signalled(s proxy.Signal) {
	a.metrics.Signal(s)
	a.audit.Signal(s)
}
