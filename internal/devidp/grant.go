package devidp

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// grant is what one login gave a client: a family of refresh tokens, and access tokens.
type grant struct {
	id     string
	client string
	user   User
	scope  []string
	target string // audience or resource of the login's own token, "" for none

	resources []string // that the login named
	details   []detail
	nonce     string
	sid       string
	acr       string
	authTime  time.Time
	began     time.Time

	// What follows is guarded by Provider.mu.
	dead      bool
	current   string // the newest refresh token
	jkt       string // thumbprint of the key that it is bound to; "" for none
	refreshes int
}

// refreshToken is one member of a family. Its fields are guarded by Provider.mu.
type refreshToken struct {
	text  string
	grant *grant
	used  time.Time // when it was exchanged for another one; zero if it was not
	last  time.Time // when it was issued or last redeemed
}

// accessToken is what the provider knows of one. Its fields are guarded by Provider.mu.
type accessToken struct {
	grant   *grant
	scope   []string
	expires time.Time
	dead    bool
	bound   binding
}

// newRefreshToken adds to a family. The caller holds mu.
func (p *Provider) newRefreshToken(g *grant) (string, error) {
	text, err := p.knobs.refreshTokenText()
	if err != nil {
		return "", err
	}
	if len(p.refresh) > p.knobs.keep() {
		maps.DeleteFunc(p.refresh, func(_ string, t *refreshToken) bool { return t.grant.dead })
	}
	p.refresh[text] = &refreshToken{text: text, grant: g, last: p.clock(p.knobs)}
	g.current = text
	p.books.mint(text, p.knobs.keep())
	return text, nil
}

func (k Knobs) refreshTokenText() (string, error) {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	alphabet := []rune(cmp.Or(k.RefreshTokenAlphabet, base64url))
	size := cmp.Or(k.RefreshTokenSize, 43)
	var b strings.Builder
	for b.Len() < size {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", fmt.Errorf("devidp: make a refresh token: %w", err)
		}
		b.WriteRune(alphabet[i.Int64()])
	}
	return b.String(), nil
}

// peek returns the grant that a refresh token would renew, nil if it would not.
func (p *Provider) peek(text, client string) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.refresh[text]; t != nil && t.grant.client == client && !t.grant.dead {
		return t.grant
	}
	return nil
}

// redeem exchanges a refresh token. It returns the grant and the next refresh token, which
// is empty where the answer has none. The caller holds mu.
func (p *Provider) redeem(text, client string) (*grant, string, error) {
	k := p.knobs
	t := p.refresh[text]
	if t == nil || t.grant.client != client {
		return nil, "", k.bury(UnknownToken)
	}
	g, now := t.grant, p.clock(k)
	switch {
	case g.dead:
		if !t.used.IsZero() {
			p.books.count(func(s *Stats) { s.Reuses++ })
		}
		return nil, "", k.bury(RevokedToken)
	case k.RefreshTokenAbsoluteTTL > 0 && !now.Before(g.began.Add(k.RefreshTokenAbsoluteTTL)),
		k.RefreshTokenIdleTTL > 0 && !now.Before(t.last.Add(k.RefreshTokenIdleTTL)):
		return nil, "", k.bury(ExpiredToken)
	case !t.used.IsZero():
		return p.redeemUsed(t, now)
	}
	t.last = now
	g.refreshes++
	next, err := p.rotate(t, now)
	return g, next, err
}

// rotate returns the refresh token that the answer to t has. The caller holds mu.
func (p *Provider) rotate(t *refreshToken, now time.Time) (string, error) {
	k := p.knobs
	mode := cmp.Or(k.RefreshTokenMode, Rotating)
	switch {
	case mode == StaticEcho:
		return t.text, nil
	case mode == Static, k.NoRefreshToken, mode == RotatingOptional && t.grant.refreshes%2 == 1:
		return "", nil
	case mode != Overlapping:
		t.used = now
	}
	return p.newRefreshToken(t.grant)
}

// redeemUsed judges a refresh token that was exchanged before. A thief and the client may
// both hold it, so by default the whole grant dies (RFC 9700 §4.14.2). The caller holds mu.
func (p *Provider) redeemUsed(t *refreshToken, now time.Time) (*grant, string, error) {
	k, g := p.knobs, t.grant
	within := now.Before(t.used.Add(k.ReuseLeeway))
	switch mode := cmp.Or(k.RefreshTokenMode, Rotating); {
	case mode == Idempotent && (k.ReuseLeeway == 0 || within):
		g.refreshes++
		return g, g.current, nil
	case mode == Static, mode == StaticEcho, mode == Overlapping:
		g.refreshes++ // rotation was switched off: what was used up works again
		next, err := p.rotate(t, now)
		return g, next, err
	case within && p.isPrevious(t):
		g.refreshes++
		next, err := p.newRefreshToken(g)
		return g, next, err
	}
	p.books.count(func(s *Stats) { s.Reuses++ })
	if !k.ReuseSparesFamily {
		p.kill(g)
	}
	return nil, "", k.bury(UsedToken)
}

// bury is the answer to a refresh token that is dead.
func (k Knobs) bury(why Death) *Refusal {
	if r, ok := k.RefreshRefusals[why]; ok {
		return &r
	}
	return refuse("invalid_grant", map[Death]string{
		UnknownToken: "unknown refresh token", UsedToken: "the refresh token was used before",
		RevokedToken: "the grant was revoked", ExpiredToken: "the refresh token has expired",
	}[why])
}

// isPrevious reports whether t is the last token of its family that was used: a leeway
// covers no older ones. The caller holds mu.
func (p *Provider) isPrevious(t *refreshToken) bool {
	for _, other := range p.refresh {
		if other.grant == t.grant && other.used.After(t.used) {
			return false
		}
	}
	return true
}

// kill ends a grant with its tokens. The caller holds mu.
func (p *Provider) kill(g *grant) {
	g.dead = true
	if !p.knobs.ReuseSparesAccessTokens {
		p.killAccessTokens(g)
	}
}

// killAccessTokens ends a grant's access tokens. The caller holds mu.
func (p *Provider) killAccessTokens(g *grant) {
	for _, a := range p.access {
		if a.grant == g {
			a.dead = true
		}
	}
}

// addGrant keeps a new grant, and drops the user's oldest above the limit. The caller
// holds mu.
func (p *Provider) addGrant(g *grant) {
	p.grants[g.id] = g
	if p.knobs.RefreshTokenLimit <= 0 {
		return
	}
	var live []*grant
	for _, other := range p.grants {
		if !other.dead && other.client == g.client && other.user.Login == g.user.Login {
			live = append(live, other)
		}
	}
	slices.SortFunc(live, func(x, y *grant) int { return x.began.Compare(y.began) })
	for len(live) > p.knobs.RefreshTokenLimit {
		p.kill(live[0])
		live = live[1:]
	}
}
