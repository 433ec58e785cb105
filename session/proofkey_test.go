package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/session"
)

// A token that is bound to a key is worth nothing without it.
func TestTheKeyOfAGrantGoesWhereItsTokensGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown []session.Token
		r := open(t, nil)
		r.provider.answer = func(n int, g *session.Grant) (*session.Renewal, error) {
			shown = append(shown, g.ProofKey)
			renewal := r.provider.good(n)
			renewal.Access.Type, renewal.Access.Key = "DPoP", g.ProofKey
			if g.ProofKey == "" {
				renewal.ProofKey, renewal.Access.Key = "new", "new"
			}
			return renewal, nil
		}
		bearer, _ := r.signIn()
		g := r.grant()
		g.ProofKey = "first"
		g.Access[session.Target{}] = session.AccessToken{Token: "at-0", Type: "DPoP", Key: "first", Issued: time.Now(), Expiry: time.Now().Add(time.Minute)}
		_, ticket, err := r.Begin(t.Context(), session.Start{Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*session.Manager{r.Manager, r.other()} { // the process that began it, and another
			s, err := m.Open(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				at, err := s.Token(t.Context(), session.Target{})
				if err != nil || at.Key != "first" {
					t.Errorf("token %+v, %v", at, err)
				}
				time.Sleep(2 * time.Minute)
			}
		}
		if want := []session.Token{"first", "first", "first"}; !slices.Equal(shown, want) {
			t.Errorf("the provider was shown %d keys, or others than the session's", len(shown))
		}
		// A session from before has none, and is given one on the way.
		if at, err := bearer.Token(t.Context(), session.Target{}); err != nil || at.Key != "new" || bearer.State().Grant.ProofKey != "new" {
			t.Errorf("token %+v, %v", at, err)
		}
		if err := bearer.End(t.Context(), session.LoggedOut); err != nil || bearer.State().Grant.ProofKey != "" {
			t.Errorf("the key outlives its session (%v)", err)
		}
	})
}
