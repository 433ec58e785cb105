package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/cloakroom-bff/cloakroom/session"
)

// explainHeader is how an operator asks what becomes of a request. Its value is the admin
// token. The request is judged and not carried out: nothing goes to an upstream or to the
// provider, no session is used, refreshed or ended, no cookie is set. The header goes no
// further than the gateway, whatever it holds.
const explainHeader = "X-Cloakroom-Explain"

// Explained tells of somebody who asked what becomes of a request. It holds no token.
type Explained struct {
	By      string     // the address, as far as it can be believed
	Session session.ID // that the request named; zero if it named none
	Status  int        // 200, or 401 for a token that is not the right one
	Err     error      // why there was no explanation
	Trace   string     // names the request's trace; empty if there is none
}

var errWrongToken = errors.New("proxy: the token is not admin.token")

// wantsExplanation reports whether an operator asks. Whoever sends a wrong token gets the
// answer that the request gets without it: nobody can tell a gateway that explains from one
// that does not.
func (g *Gateway) wantsExplanation(x *exchange, r *http.Request) bool {
	said := r.Header[explainHeader]
	if said == nil {
		return false
	}
	now := g.cfg.Now()
	if g.cfg.ExplainToken == "" || g.guesses.silenced(x.client.addr, now) {
		return false
	}
	if len(said) == 1 && sameSecret(said[0], g.cfg.ExplainToken.Reveal()) {
		return true
	}
	g.guesses.wrong(x.client.addr, now)
	g.tellExplained(Explained{By: x.client.addr, Status: http.StatusUnauthorized, Err: errWrongToken, Trace: g.traceOf(r)})
	return false
}

// sameSecret compares in a time that tells neither where the two differ nor how long they are.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (g *Gateway) tellExplained(e Explained) {
	if g.cfg.Explained != nil {
		g.cfg.Explained(e)
	}
}

// explain answers an operator with what becomes of a request.
func (g *Gateway) explain(x *exchange, r *http.Request) error {
	e := g.explanation(x, r, "")
	err := malformed(r)
	if err == nil {
		err = g.foresee(e, x, r)
	}
	if err != nil {
		e.Answer = g.refusalOf(err)
	}
	return g.writeExplanation(x, r, http.StatusOK, e)
}

// explainVerify answers an operator who asks through a front proxy, or in its place. The
// status is 403, so that no front proxy lets the request pass that is only explained.
func (g *Gateway) explainVerify(x *exchange, r *http.Request, d dialect, unclear error) error {
	e := g.explanation(x, r, d)
	err := unclear
	if err == nil {
		err = g.foreseeVerify(e, x, r, d)
	}
	if err != nil {
		e.Answer = g.refusalOf(g.forProxy(d, err))
	}
	return g.writeExplanation(x, r, http.StatusForbidden, e)
}

func (g *Gateway) writeExplanation(x *exchange, r *http.Request, status int, e *explanation) error {
	x.name = ownRoute // in logs and metrics: no route has answered
	told := Explained{By: x.client.addr, Status: http.StatusOK, Trace: g.traceOf(r)}
	if e.session != nil {
		told.Session = e.session.ID()
	}
	g.tellExplained(told)
	clearAnswer(x.Header())
	g.ownHeaders(x.Header())
	return writeJSON(x, status, e)
}
