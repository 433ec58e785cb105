package devidp

import (
	"slices"
	"time"
)

// RevokeSubject kills every grant of a user, and returns how many there were.
func (p *Provider) RevokeSubject(sub string) int {
	return p.revokeWhere(func(g *grant) bool { return g.user.subject() == sub })
}

// RevokeGrant kills the grant with this id, which is in access tokens as the claim
// grant_id. It returns how many there were, none or one.
func (p *Provider) RevokeGrant(id string) int {
	return p.revokeWhere(func(g *grant) bool { return g.id == id })
}

// RevokeAll kills every grant.
func (p *Provider) RevokeAll() int {
	return p.revokeWhere(func(*grant) bool { return true })
}

// RevokeRefreshToken kills the grant of a refresh token, used or not, out of band: no
// revocation is counted. It reports whether there was one.
func (p *Provider) RevokeRefreshToken(rt string) bool {
	p.mu.Lock()
	t := p.refresh[rt]
	p.mu.Unlock()
	return t != nil && p.RevokeGrant(t.grant.id) == 1
}

func (p *Provider) revokeWhere(match func(*grant) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		if !g.dead && match(g) {
			p.kill(g)
			n++
		}
	}
	return n
}

// Grant is what a login gave, as an operator sees it.
type Grant struct {
	ID        string    `json:"id"`
	Client    string    `json:"client"`
	Subject   string    `json:"sub"`
	SID       string    `json:"sid"` // of the provider's session
	Began     time.Time `json:"began"`
	Refreshes int       `json:"refreshes"`
	Dead      bool      `json:"dead"`
}

// Grants lists the grants, oldest first, also those that ended.
func (p *Provider) Grants() []Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Grant
	for _, g := range p.grants {
		all = append(all, Grant{g.id, g.client, g.user.subject(), g.sid, g.began, g.refreshes, g.dead})
	}
	slices.SortFunc(all, func(x, y Grant) int { return x.Began.Compare(y.Began) })
	return all
}

// Active reports whether an access token would be accepted now: known, not expired, not
// revoked. It is introspection (RFC 7662) without the wire, for upstreams in tests.
func (p *Provider) Active(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.access[token]
	return a != nil && !a.dead && p.clock(p.knobs).Before(a.expires)
}

// RefreshToken returns the newest refresh token of a live grant of sub, "" if there is none.
func (p *Provider) RefreshToken(sub string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var newest *grant
	for _, g := range p.grants {
		if !g.dead && g.user.subject() == sub && (newest == nil || g.began.After(newest.began)) {
			newest = g
		}
	}
	if newest == nil {
		return ""
	}
	return newest.current
}
