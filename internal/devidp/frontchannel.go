package devidp

import (
	"net/url"
	"slices"
)

// logoutFrames returns what the page at the end of a session has to load, in frames, for the
// clients that had tokens out of it (OpenID Connect Front-Channel Logout 1.0 §3).
func (p *Provider) logoutFrames(sid string) (frames []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	about := url.Values{"iss": {p.issuer(p.knobs)}, "sid": {sid}}
	for _, g := range p.grants {
		address := p.clients[g.client].FrontchannelLogoutURI
		if sid == "" || g.sid != sid || address == "" {
			continue
		}
		if frame := withQuery(address, about); !slices.Contains(frames, frame) {
			frames = append(frames, frame)
		}
	}
	return frames
}
