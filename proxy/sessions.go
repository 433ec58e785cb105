package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// device is one element of the answer of GET /bff/sessions: a browser in which the user is
// signed in. Times are in RFC 3339, to the second.
type device struct {
	ID       string    `json:"id"`
	Current  bool      `json:"current"` // the browser that asks
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Address  string    `json:"address"` // prefix of the address that it signed in from; may be empty
	Browser  string    `json:"browser"` // "Firefox on Windows"

	record session.ID
}

// devices answers GET /bff/sessions: the live sessions of the signed-in user, that of this
// browser first, then the ones used last. Whoever accepts HTML gets a page. To look is to
// be there: it counts as activity.
func (g *Gateway) devices(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openUsed(r)
	if err != nil {
		return err
	}
	list, err := g.devicesOf(r.Context(), s)
	if err != nil {
		return err
	}
	if acceptsHTML(r.Header["Accept"]) {
		return g.pages.devices(w, g.base, g.logoutURL(s.State()), list)
	}
	return writeJSON(w, http.StatusOK, list)
}

// endDevice answers DELETE /bff/sessions/{id}. Another user's id is as unknown as one that
// was never given.
func (g *Gateway) endDevice(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openUsed(r)
	if err != nil {
		return err
	}
	list, err := g.devicesOf(r.Context(), s)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(d device) bool { return d.ID == r.PathValue("id") })
	if i < 0 {
		return &Problem{Code: NotFound, Detail: "You have no such session; perhaps it has ended already."}
	}
	if err := g.end(r, session.ByUser, list[i].record); err != nil {
		return err
	}
	if list[i].Current {
		g.leave(w)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endOthers answers DELETE /bff/sessions?others=true.
func (g *Gateway) endOthers(w http.ResponseWriter, r *http.Request) error {
	s, err := g.openUsed(r)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !slices.Equal(query["others"], []string{"true"}) {
		return badRequest("Write DELETE " + g.base + "/sessions?others=true to end all sessions but this one, or name one: " + g.base + "/sessions/{id}.")
	}
	list, err := g.devicesOf(r.Context(), s)
	if err != nil {
		return err
	}
	var others []session.ID
	for _, d := range list {
		if !d.Current {
			others = append(others, d.record)
		}
	}
	if err := g.end(r, session.ByUser, others...); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// openUsed is openOwn where the request is an act of the user.
func (g *Gateway) openUsed(r *http.Request) (*session.Session, error) {
	s, err := g.openOwn(r)
	if err == nil {
		touch(s, r)
	}
	return s, err
}

// devicesOf lists the live sessions of the user of s.
func (g *Gateway) devicesOf(ctx context.Context, s *session.Session) ([]device, error) {
	st := s.State()
	all, err := g.cfg.Sessions.OfSubject(ctx, st.Grant.Issuer, st.Grant.Subject)
	if err != nil {
		return nil, err
	}
	list := make([]device, 0, len(all))
	for _, other := range all {
		st := other.State()
		list = append(list, device{
			ID: publicID(other.ID()), Current: other.ID() == s.ID(),
			Created: second(st.Created), LastSeen: second(other.Seen()),
			Address: st.Device.Address, Browser: browserName(st.Device),
			record: other.ID(),
		})
	}
	slices.SortFunc(list, func(a, b device) int {
		switch {
		case a.Current:
			return -1
		case b.Current:
			return 1
		}
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// publicID is what a browser may call a session: good in /bff/sessions and nowhere else. It
// leads back neither to the ticket nor to the record, whose id stands in logs.
func publicID(id session.ID) string {
	sum := sha256.Sum256(append([]byte("device\x00"), id[:]...))
	return hex.EncodeToString(sum[:16])
}

// browserName is what a person calls a device.
func browserName(d session.Device) string {
	name := cmp.Or(d.Browser, "Unknown browser")
	if d.System == "" {
		return name
	}
	return name + " on " + d.System
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
