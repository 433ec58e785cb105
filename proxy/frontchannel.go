package proxy

import (
	"net/http"
	"net/url"

	"github.com/cloakroom-bff/cloakroom/session"
)

// frontChannelLogout answers GET /bff/frontchannel-logout (OpenID Connect Front-Channel
// Logout 1.0 §2): the provider's own logout page loads it in a frame, which gets no cookie
// of ours. So the session is found by iss and sid, both exactly, and by nothing else; who
// knows the sid of a session can end it, and that is all the proof there is.
//
// The answer is the same whether a session was there or not: nobody can try out sids.
// Only a store that is away makes it another one.
func (g *Gateway) frontChannelLogout(w http.ResponseWriter, r *http.Request) error {
	if iss, sid, ok := providerSession(r); ok {
		found, err := g.cfg.Sessions.OfProviderSession(r.Context(), iss, sid)
		if err != nil {
			return err
		}
		var ids []session.ID
		for _, s := range found {
			ids = append(ids, s.ID())
		}
		if err := g.end(r, session.FrontChannel, ids...); err != nil {
			return err
		}
	}
	return g.pages.signedOut(w)
}

// providerSession reads iss and sid, of which there must be one each.
func providerSession(r *http.Request) (iss, sid string, ok bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query["iss"]) != 1 || len(query["sid"]) != 1 {
		return "", "", false
	}
	iss, sid = query.Get("iss"), query.Get("sid")
	return iss, sid, iss != "" && sid != ""
}
