package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

// A session goes on, and yet its user has to sign in once more: since a route requires a
// stronger or fresher login (Require), since its API does (RFC 9470), or since the provider
// wants to see the user. What that login has to ask for, the demand, travels in its URL:
//
//	request ─▶ 401 with login_url, or 302 ─▶ /bff/login?returnUrl=…&demand=… ─▶ provider
//	   ▲                                                                            │
//	   └── same session, new ticket ◀── the ID token brings what was demanded ◀─────┘
//
// It is sealed, so that a browser cannot make the gateway ask for what login_params do not
// let through. To leave it out or to take that of another page gains nothing: the route and
// the API look again. A login that does not bring it fails at the callback, with a page; so
// nobody goes round in circles.

const (
	// demandParam of a login is a sealed demand.
	demandParam = "demand"
	// demandTTL is how long a page may wait before it sends its user to a login that it was
	// told of.
	demandTTL = 24 * time.Hour
)

// checkLogin judges whether the session's login was what the route requires.
func (g *Gateway) checkLogin(rt *route, st *session.State) error {
	if rt.demand == nil || g.cfg.Provider.Meets(&st.Grant, rt.demand) {
		return nil
	}
	return stepUp(rt.demand, errors.New("proxy: the login was not what the route requires"))
}

// challenged returns the *Problem that an upstream's 401 is to the client if the upstream
// asks for another login of the session's user, else nil. The session that has already what
// the upstream asks for is no case for a login: another one would bring the same.
func (g *Gateway) challenged(x *exchange, res *http.Response) error {
	if res.StatusCode != http.StatusUnauthorized || x.who == nil || x.kind != UserToken && x.kind != ExchangedToken {
		return nil
	}
	demand := demanded(res.Header["Www-Authenticate"], x.scheme(), g.cfg.ClaimsChallenges)
	if demand == nil || g.cfg.Provider.Meets(&x.state.Grant, demand) {
		return nil
	}
	return stepUp(demand, errors.New("proxy: the login was not what the upstream requires"))
}

func stepUp(demand map[string]string, err error) error {
	return &Problem{Code: StepUpRequired, Detail: "This needs you to sign in again, in another way or just now.", Err: err, demand: demand}
}

// asksForLogin reports whether err is that of a session whose login does not do.
func asksForLogin(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code == StepUpRequired
}

// loginURLFor is where a login starts that asks for what is demanded and comes back to
// returnURL.
func (g *Gateway) loginURLFor(returnURL string, demand map[string]string) string {
	login := g.loginURL(returnURL)
	if len(demand) == 0 {
		return login
	}
	sealed, err := g.sealDemand(demand)
	if err != nil {
		g.cfg.Log.Error("a login cannot be told what to ask for", "err", err)
		return login
	}
	return login + "&" + url.Values{demandParam: {sealed}}.Encode()
}

// sealDemand makes a parameter of a demand.
func (g *Gateway) sealDemand(demand map[string]string) (string, error) {
	box, err := g.box("demand", demandTTL)
	if err != nil {
		return "", err
	}
	// JSON in JSON would be far longer, and a box takes no more than a cookie does. Only the
	// claims can hold a line break, and they come last.
	text := strings.Join([]string{demand["acr_values"], demand["max_age"], demand["claims"]}, "\n")
	return box.Seal(demandParam, []byte(text))
}

// openDemand is the reverse. What is too old or not ours is no demand: the login goes on
// without, and who needs more asks again.
func (g *Gateway) openDemand(sealed string) map[string]string {
	box, err := g.box("demand", demandTTL)
	if err != nil || sealed == "" {
		return nil
	}
	text, err := box.Open(demandParam, sealed)
	if err != nil {
		return nil
	}
	acr, rest, _ := strings.Cut(string(text), "\n")
	age, claims, _ := strings.Cut(rest, "\n")
	return oidc.Demand(acr, age, claims)
}
