package devidp

import "net/http"

// serveRevocation revokes a token (RFC 7009 §2). A refresh token takes its whole grant
// along, an access token only itself; an unknown token is revoked already.
func (p *Provider) serveRevocation(w http.ResponseWriter, r *http.Request) {
	if err := p.revoke(r); err != nil {
		sendRefusal(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (p *Provider) revoke(r *http.Request) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	client, err := p.authenticate(r, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return refuse("invalid_request", "token is missing")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.refresh[token]; t != nil {
		if t.grant.client != client.ID {
			return refuse("invalid_grant", "the token is another client's")
		}
		p.revokeFor(t.grant)
	}
	if a := p.access[token]; a != nil {
		if a.grant.client != client.ID {
			return refuse("invalid_grant", "the token is another client's")
		}
		a.dead = true
	}
	p.books.count(func(s *Stats) { s.Revocations++ })
	return nil
}

// revokeFor kills what the revocation of a grant's refresh token reaches. The caller holds
// mu.
func (p *Provider) revokeFor(g *grant) {
	reach := p.knobs.RevocationReach
	for _, other := range p.grants {
		if other != g && (reach != WholeUser || other.client != g.client || other.user.Login != g.user.Login) {
			continue
		}
		other.dead = true
		if reach != RefreshTokenOnly {
			p.killAccessTokens(other)
		}
	}
}
