package app

import (
	"fmt"
	"slices"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/secret"
)

// liveKeys is the one key of the configuration that a reload applies. All others need a
// restart.
const liveKeys = "session.keys"

// Reload reads the configuration file again and applies what can be applied while the
// gateway serves: session.keys. It tells the log which other keys have changed and wait for
// a restart. A file with a mistake is refused as a whole: everything goes on as it was, and
// the error, which is in the log already, says so. Calls do not overlap.
func (a *App) Reload(file string, environ []string) error {
	err := a.reload(file, environ)
	a.metrics.Reloaded(err)
	if err != nil {
		a.log.Error("configuration: not reloaded; the old one goes on", "err", err)
	}
	return err
}

func (a *App) reload(file string, environ []string) error {
	next, warnings, err := config.Load(file, environ)
	if err != nil {
		return err
	}
	changed := config.Changed(a.running, next)
	rekeyed := slices.Contains(changed, liveKeys)
	if rekeyed {
		if err := a.setKeys(next.Session.Keys); err != nil {
			return fmt.Errorf("%s: %w", liveKeys, err)
		}
	}
	for _, w := range warnings {
		a.log.Warn("configuration: works, but weakens", "where", w.String())
	}
	waiting := slices.DeleteFunc(changed, func(key string) bool { return key == liveKeys })
	if len(waiting) > 0 {
		a.log.Warn("configuration: these keys have changed and need a restart", "keys", waiting)
	}
	a.log.Info("configuration: reloaded", "session_keys", len(next.Session.Keys), "changed", rekeyed)
	return nil
}

// setKeys makes these the keys of all that is sealed and opened from now on.
func (a *App) setKeys(keys []secret.Text) error {
	ring, err := keyring(keys)
	if err != nil {
		return err
	}
	if err := a.sessions.SetKeys(ring); err != nil {
		return err
	}
	running := *a.running
	running.Session.Keys = keys
	a.running = &running
	return nil
}
