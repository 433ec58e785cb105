package app

import (
	"context"
	"os"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// lookEvery is how often the files of the configuration are looked at.
const lookEvery = 2 * time.Second

// Follow reloads the configuration at every hangup, and when its files have changed and are
// at rest again, until ctx ends. Run it once, beside Run. What goes wrong is in the log.
func (a *App) Follow(ctx context.Context, file string, environ []string, hangups <-chan os.Signal) {
	look := func() contents {
		return config.Fingerprint(file, environ, a.now.Load().cfg.Provider.ClientKeyFile)
	}
	follow(ctx, hangups, look, func() { _ = a.Reload(file, environ) })
}

// contents tells what the files hold at two moments apart.
type contents [32]byte

// follow calls reload when there is a reason to.
func follow(ctx context.Context, hangups <-chan os.Signal, look func() contents, reload func()) {
	applied := look()
	seen := applied
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			seen = look()
		case <-tick.C:
			// What looks the same twice is not being written any more.
			before := seen
			if seen = look(); seen == applied || seen != before {
				continue
			}
		}
		applied = seen
		reload()
	}
}
