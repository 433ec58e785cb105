package app

import (
	"fmt"
	"reflect"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// Reload reads the configuration file again and applies what has changed, while the gateway
// serves: no request is held up or dropped, no stream is closed, no session ends but those
// whose key was removed. The log says what was applied, and what waits for a restart. A file
// with a mistake is refused as a whole: everything goes on as it was, and the error, which is
// in the log already, says so. Calls must not overlap.
func (a *App) Reload(file string, environ []string) error {
	if a.leaving.Load() {
		return nil // what is new is another process's
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	err := a.reload(file, environ)
	a.metrics.Reloaded(err)
	if err != nil {
		a.log.Error("configuration: not reloaded; the old one goes on", "err", err)
	}
	return err
}

func (a *App) reload(file string, environ []string) error {
	written, warnings, err := config.Load(file, environ)
	if err != nil {
		return err
	}
	before := a.now.Load()
	cfg := hold(before.cfg, written)
	applied, waiting := config.Changed(before.cfg, cfg), config.Changed(cfg, written)
	if len(applied) > 0 {
		if err := a.replace(before, cfg); err != nil {
			return err
		}
	}
	for _, w := range warnings {
		a.log.Warn("configuration: works, but weakens", "where", w.String())
	}
	if len(waiting) > 0 {
		a.log.Warn("configuration: these keys have changed and need a restart", "keys", waiting)
	}
	a.log.Info("configuration: reloaded", "applied", applied)
	return nil
}

// replace puts what follows from cfg in the place of a generation. All that can fail comes
// before anything changes.
func (a *App) replace(before *generation, cfg *config.Config) error {
	next, err := a.newGeneration(cfg, before)
	if err != nil {
		return err
	}
	if err := next.open(a, before); err != nil {
		return err
	}
	terms, err := a.sessionTerms(cfg, next.provider)
	if err != nil {
		return err
	}
	if err := a.sessions.Reconfigure(terms); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if a.level != nil {
		a.level.Set(cfg.Log.Level)
	}
	a.now.Store(next)
	close(before.over)
	return nil
}

// hold returns the configuration that a file asks for, with what cannot change while the
// gateway runs as it was. Other listeners and another store need another process. So does
// another provider or client, whose sessions are none of the old one's: there the whole
// section waits, since half of it would fit neither.
func hold(was, written *config.Config) *config.Config {
	cfg := *written
	cfg.Listen, cfg.MaxConnections, cfg.TLS, cfg.Admin, cfg.ForwardAuth = was.Listen, was.MaxConnections, was.TLS, was.Admin, was.ForwardAuth
	cfg.Session.Store, cfg.Session.WaitReplicas, cfg.Session.Cache = was.Session.Store, was.Session.WaitReplicas, was.Session.Cache
	cfg.Log.Format, cfg.Telemetry = was.Log.Format, was.Telemetry
	if !sameProvider(&was.Provider, &written.Provider) {
		cfg.Provider = was.Provider
	}
	return &cfg
}

// sameProvider reports whether two sections name the same client of the same provider.
func sameProvider(a, b *config.Provider) bool {
	return a.Issuer == b.Issuer && a.IssuerTemplate == b.IssuerTemplate && a.DiscoveryURL == b.DiscoveryURL &&
		reflect.DeepEqual(a.AllowedTenants, b.AllowedTenants) && a.Endpoints == b.Endpoints && a.ClientID == b.ClientID
}
