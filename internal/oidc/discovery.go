package oidc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// Pauses between two attempts at discovery. The gateway promises to work within ten
// seconds after an outage, so even the longest is half of that.
const (
	shortestPause = 500 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Run fetches the provider's metadata and retries until it has them, with a growing,
// jittered pause of 0.5 to 5 seconds. It returns when it has, or when ctx ends; its error
// is then the context's.
//
// If the configuration names every endpoint that is needed, the client works without Run;
// what else discovery tells is used if there is a discovery document.
func (c *Client) Run(ctx context.Context) error {
	var said string
	for n := 0; ; n++ {
		m, err := c.discover(ctx)
		if err == nil {
			c.log.InfoContext(ctx, "the provider's metadata are known", "issuer", m.Issuer)
			if m.Issuer != c.cfg.Issuer {
				c.log.InfoContext(ctx, "the provider's own spelling of its issuer is used", "issuer", m.Issuer, "configured", c.cfg.Issuer)
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.Ready() == nil && final(err) {
			c.log.WarnContext(ctx, "the provider's discovery document is not used, only the configured endpoints", "issuer", c.cfg.Issuer, "err", err)
			return nil
		}
		if s := err.Error(); s != said {
			said = s
			c.log.WarnContext(ctx, "the provider's metadata could not be fetched; trying again", "issuer", c.cfg.Issuer, "err", err)
		}
		if err := pause(ctx, backoff(n)); err != nil {
			return err
		}
	}
}

// final reports whether asking again is of no use: there is no discovery document, or one
// that must not be used.
func final(err error) bool {
	if failed, ok := errors.AsType[*session.RefreshError](err); ok {
		return failed.Class == session.Operator
	}
	e, ok := errors.AsType[*statusError](err)
	return ok && (e.status == http.StatusNotFound || e.status == http.StatusGone)
}

// Ready is nil once the provider's metadata is known; else it says why not, for an
// operator. Calls that need the metadata fetch it themselves if Run has not yet.
func (c *Client) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta != nil {
		return nil
	}
	if failed, ok := errors.AsType[*session.RefreshError](c.problem); ok {
		return failed.Err // without talk of a refresh
	}
	return c.problem
}

// provider returns the metadata. If they are unknown it asks, unless that failed a moment
// ago. The error wraps ErrNotReady; it is a *session.RefreshError of class Operator if
// only an operator can mend it.
func (c *Client) provider(ctx context.Context) (*metadata, error) {
	c.mu.Lock()
	m, problem, fresh := c.meta, c.problem, c.now().Sub(c.tried) < shortestPause
	c.mu.Unlock()
	switch {
	case m != nil:
		return m, nil
	case fresh:
		return nil, problem
	}
	m, err := c.discover(ctx)
	if err != nil && !errors.Is(err, ErrNotReady) {
		err = fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return m, err
}

// discover asks once. All who ask at the same time share one request, which none of them
// can cancel by leaving.
func (c *Client) discover(ctx context.Context) (*metadata, error) {
	done := c.flight.DoChan("", func() (any, error) {
		m, err := c.fetchMetadata(context.WithoutCancel(ctx))
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.problem, c.tried = err, c.now()
			return nil, err
		}
		c.meta, c.problem = m, nil
		return m, nil
	})
	select {
	case r := <-done:
		m, _ := r.Val.(*metadata)
		return m, r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *Client) fetchMetadata(ctx context.Context) (*metadata, error) {
	doc, err := c.get(ctx, "discovery", c.cfg.DiscoveryAddress())
	if err != nil {
		return nil, fmt.Errorf("%w: discovery: %w", ErrNotReady, err)
	}
	return readMetadata(doc, c.cfg)
}

// notReady is the error of a refresh, an exchange or a revocation that has nowhere to go.
func notReady(err error) *session.RefreshError {
	if failed, ok := errors.AsType[*session.RefreshError](err); ok {
		return failed
	}
	return &session.RefreshError{Class: session.Transient, Err: err}
}

// backoff is the pause after the nth failure, counted from zero: half of it certain, half
// by chance.
func backoff(n int) time.Duration {
	d := min(shortestPause<<min(n, 8), longestPause)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter is no secret
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
