package app

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/cloakroom-bff/cloakroom/internal/config"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/proxy"
)

// generation is what a reload puts in the place of another: all that follows from the
// configuration and holds nothing of its own. Requests and streams that an old one has begun
// to serve end there.
type generation struct {
	cfg      *config.Config // what is in force
	provider *oidc.Client
	gateway  *proxy.Gateway
	ingress  http.Handler  // the gateway's, for front proxies
	over     chan struct{} // closed when the next one is in its place
}

// newGeneration makes what cfg asks for. The one before it is nil at the start; nothing of it
// changes, and nothing is in force yet.
func (a *App) newGeneration(cfg *config.Config, before *generation) (_ *generation, err error) {
	g := &generation{cfg: cfg, over: make(chan struct{})}
	if before != nil && !concernsProvider(config.Changed(before.cfg, cfg)) && reflect.DeepEqual(wishesOf(before.cfg.Routes), wishesOf(cfg.Routes)) {
		g.provider = before.provider
	} else if g.provider, err = newProvider(cfg, a); err != nil {
		return nil, err
	} else if before != nil {
		g.provider.Inherit(before.provider)
	}
	return g, nil
}

// open makes the gateway, for which there have to be sessions.
func (g *generation) open(a *App, before *generation) (err error) {
	var after *proxy.Gateway
	if before != nil {
		after = before.gateway
	}
	if g.gateway, err = newGateway(g.cfg, a, g.provider, after); err != nil {
		return err
	}
	g.ingress = g.gateway.ForwardAuth()
	return nil
}

// concernsProvider reports whether one of these keys is of weight for the provider's client.
func concernsProvider(keys []string) bool {
	for _, key := range keys {
		switch {
		case strings.HasPrefix(key, "provider."):
			return true
		case key == "public_url", key == "base_path", key == "post_logout_url", key == "session.expiry_claim", key == "session.idle_timeout":
			return true
		}
	}
	return false
}

// run watches over upstreams and provider until ctx ends or another generation is in the
// place of this one.
func (g *generation) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { _ = g.provider.Run(ctx) }) // its only error is ctx's
	parts.Go(func() { _ = g.gateway.Run(ctx) })  // likewise
	select {
	case <-g.over:
	case <-ctx.Done():
	}
	stop()
	parts.Wait()
}

// runGenerations runs the generation in force, one after the other, until ctx ends.
func (a *App) runGenerations(ctx context.Context) error {
	for ctx.Err() == nil {
		a.now.Load().run(ctx)
	}
	return ctx.Err()
}

// serveBrowsers answers a request by the generation that is in force at its beginning, and
// serveFrontProxies what an ingress asks.
func (a *App) serveBrowsers(w http.ResponseWriter, r *http.Request) {
	a.now.Load().gateway.ServeHTTP(w, r)
}

func (a *App) serveFrontProxies(w http.ResponseWriter, r *http.Request) {
	a.now.Load().ingress.ServeHTTP(w, r)
}
