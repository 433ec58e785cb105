package app

import (
	"slices"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// What the file may name is what comes in, but for events about the stream itself.
func TestTheConfigurationAndTheReceiverKnowTheSameEvents(t *testing.T) {
	t.Parallel()
	known := slices.DeleteFunc(oidc.EventNames(), func(name string) bool { return name == "verification" || name == "stream-updated" })
	if named := config.SignalEvents(); !slices.Equal(named, known) {
		t.Errorf("the configuration knows %q, the receiver %q", named, known)
	}
}

func TestEventsAreTakenIfTheConfigurationNamesATransmitter(t *testing.T) {
	t.Parallel()
	provider, err := oidc.New(oidc.Config{Issuer: "https://id.example.com", ClientID: "app", ClientAuth: oidc.NoSecret, RedirectURL: "https://app.example.com/cb"})
	if err != nil {
		t.Fatal(err)
	}
	if off, err := newSignals(new(config.Signals), provider); err != nil || off.Receiver != nil {
		t.Errorf("%+v, %v", off, err)
	}
	on, err := newSignals(&config.Signals{Issuer: "https://signals.example.com", Events: map[string]config.SignalEffect{"session-revoked": config.IgnoreSignal}}, provider)
	if err != nil || on.Receiver == nil {
		t.Fatal(err)
	}
	if on.Effects["session-revoked"] != proxy.Acknowledge || on.Effects["account-disabled"] != proxy.EndSessions || on.Effects["token-claims-change"] != proxy.RefreshSessions {
		t.Errorf("%v", on.Effects)
	}
}
