//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

// Whatever is wrong with an ID token: no session, a page that a person can read, and a log
// that says why. The provider is one that can be told to lie.
func TestAFalseIDTokenIsNoSessionButAPage(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	op := listen(t, g.url)
	api := startUpstream(t)
	g.configure(client{issuer: op.URL, id: "cloakroom", secret: "a-development-secret"}, api.url)
	g.start()

	var seen []sighting
	for _, fault := range []devidp.Fault{
		devidp.WrongNonce, devidp.MissingNonce,
		devidp.WrongIssuer, devidp.WrongAudience, devidp.MissingAudience, devidp.WrongAuthorized,
		devidp.AlgNone, devidp.HMACPublicKey, devidp.WrongKey, devidp.ForeignKey, devidp.BrokenSignature,
		devidp.Expired, devidp.MissingExpiry, devidp.MissingSubject,
		devidp.NoTokenAtAll,
	} {
		t.Run(string(fault), func(t *testing.T) {
			op.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = fault })
			b, logged := newBrowser(t, g.url), len(g.log())
			p := b.signIn("alice", "/")
			if p.status != http.StatusBadRequest || p.header.Get("Cloakroom-Error") != "login_failed" {
				t.Errorf("got %d %s at %s", p.status, p.header.Get("Cloakroom-Error"), p.url.Path)
			}
			readable(t, p)
			if b.ticket() != "" {
				t.Error("there is a ticket")
			}
			if s := b.fetch(http.MethodGet, "/bff/session"); !strings.Contains(s.body, `"authenticated":false`) {
				t.Errorf("there is a session: %s", s.body)
			}
			eventually(t, 5*time.Second, "the log says why", func() bool { // lines may gather for a moment
				return strings.Contains(string(g.log()[logged:]), "login_failed")
			})
			seen = append(seen, b.seen...)
		})
	}
	t.Run("and without a fault it is a session", func(t *testing.T) {
		op.Adjust(func(k *devidp.Knobs) { k.IDTokenFault = "" })
		b := newBrowser(t, g.url)
		b.mustSignIn(t, "alice")
		seen = append(seen, b.seen...)
	})
	if calls := api.got(); len(calls) != 0 {
		t.Errorf("the upstream got %d calls", len(calls))
	}
	g.stop()
	searchFiles(t, g.dir, op.Tokens())
	searchSightings(t, seen, op.Tokens())
}

// listen starts the development provider for an app at this origin.
func listen(t *testing.T, app string) *devidp.Server {
	t.Helper()
	op, err := devidp.Listen(devidp.Config{Clients: []devidp.Client{{
		ID: "cloakroom", Secret: "a-development-secret",
		RedirectURIs:           []string{app + "/bff/callback"},
		PostLogoutRedirectURIs: []string{app + "/"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		op.Close()
		hauled.hideAllOf(op)
	})
	return op
}
