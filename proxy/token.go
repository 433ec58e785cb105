package proxy

import (
	"context"
	"strings"

	"github.com/cloakroom-bff/cloakroom/session"
)

// forEverybody reports whether requests without a session get a token or a credential of
// the gateway's own, too.
func (rt *route) forEverybody() bool {
	return rt.Upstream != nil && (rt.Token == ClientToken || rt.Token == UserOrClientToken || rt.Authorization != "" && rt.Access != Required)
}

// asksTicket reports whether the route looks for a session at all.
func (r *Route) asksTicket() bool { return r.Access != Public || r.Token == UserOrClientToken }

// quietly reports whether a request whose session is dead goes on as an anonymous one. Not
// where it would get the client's token instead of its own: with more rights, perhaps.
func (rt *route) quietly() bool { return rt.Access != Required && rt.Token != UserOrClientToken }

// kind is whose token a request gets: UserOrClientToken is decided by its session.
func (rt *route) kind(s *session.Session) TokenKind {
	switch {
	case rt.Upstream == nil:
		return NoToken
	case rt.Token == UserOrClientToken && s == nil:
		return ClientToken
	case rt.Token == UserOrClientToken:
		return UserToken
	case s == nil && (rt.Token == UserToken || rt.Token == ExchangedToken):
		return NoToken
	}
	return rt.Token
}

// fetch gets the token that the route names for a request, once it is clear that its
// session may use the route.
func (g *Gateway) fetch(ctx context.Context, x *exchange, rt *route) error {
	x.kind = rt.kind(x.who)
	g.foreseeStep(x, rt)
	var at session.AccessToken
	var err error
	if x.who != nil {
		if err = x.who.UpToDate(ctx); err != nil {
			return err
		}
		if x.kind == UserToken {
			if at, err = x.who.Token(ctx, rt.Target); err != nil {
				return err
			}
		}
		x.state = x.who.State() // with the claims that came with the token
		if err := rt.Require.met(x.state, at); err != nil {
			return err
		}
		if err := g.checkLogin(rt, x.state); err != nil {
			return err
		}
	}
	switch x.kind {
	case ExchangedToken:
		at, err = x.who.ExchangedToken(ctx, rt.Target)
	case ClientToken:
		at, err = g.cfg.Sessions.ClientToken(ctx, rt.Target)
		err = g.withoutUser(err, x.who)
	}
	if err != nil {
		return err
	}
	x.token, x.key, x.minted = at.Token, at.Key, !at.Issued.Before(x.began.Round(0))
	return nil
}

// renew gets another token than the one that the upstream refused.
func (g *Gateway) renew(ctx context.Context, x *exchange) (session.AccessToken, error) {
	switch t := x.route.Target; x.kind {
	case ClientToken:
		return g.cfg.Sessions.RenewClientToken(ctx, t, x.token)
	case ExchangedToken:
		return x.who.RenewExchangedToken(ctx, t, x.token)
	default:
		return x.who.Renew(ctx, t, x.token)
	}
}

// withoutUser keeps the answer to an anonymous request from telling it that it is still
// signed in.
func (g *Gateway) withoutUser(err error, s *session.Session) error {
	p := g.problemOfRefresh(err)
	if p == nil || s != nil {
		return err
	}
	p.Detail = strings.TrimSuffix(p.Detail, " You are still signed in.")
	return p
}
