package oidc

import "slices"

// Inherit takes over what another client has learnt of the provider, its metadata and keys,
// where both ask the same one: so a client in the place of another works at once, also while
// the provider is away. Call it before any other method.
func (c *Client) Inherit(from *Client) {
	a, b := &c.cfg, &from.cfg
	if a.Issuer != b.Issuer || a.DiscoveryURL != b.DiscoveryURL || a.Endpoints != b.Endpoints || a.presents() != b.presents() {
		return
	}
	from.mu.Lock()
	meta := from.meta
	from.mu.Unlock()
	if meta == nil || !meta.complete(c.cfg) || !c.cfg.AnnouncedAs(meta.Issuer) {
		return
	}
	from.keys.mu.Lock()
	keys, fetched := slices.Clone(from.keys.keys), from.keys.fetched
	from.keys.mu.Unlock()
	c.keys.mu.Lock()
	c.keys.keys, c.keys.fetched = keys, fetched
	c.keys.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta, c.problem = meta, nil
}
