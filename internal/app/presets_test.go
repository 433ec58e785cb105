package app

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/preset"
	"github.com/cloakroom-bff/cloakroom/session"
)

// habits is what a provider does and what the gateway has to make of it, with the preset
// and no other key. Each name below is a line of docs/providers.md.
type habits struct {
	preset string
	path   string   // of the issuer
	lines  []string // of the configuration, where the preset alone does not do

	asks      url.Values // of the authorization request
	scope     string     // that a refresh names
	rotates   bool       // each refresh brings another refresh token
	lost      fate       // after a lost answer, while the access token holds
	lostLate  fate       // after one when it has run out
	logout    string     // where a logout leads to at the provider, "" for nowhere
	carries   []string   // the parameters of that
	revokes   bool       // a logout revokes the refresh token
	signedOut bool       // a logout ends the provider's session
}

// fate is what a lost answer comes to.
type fate int

const (
	mended     fate = iota // at once, by one more presentation
	mendedLate             // by one when the access token has run out
	dies                   // by one when the access token has run out, once
)

const (
	usualScopes = "openid profile email offline_access"
	fewScopes   = "openid profile email"
)

func table() []habits {
	standard := []string{"client_id", "id_token_hint", "post_logout_redirect_uri", "state"}
	const oidc = "/end_session"
	return []habits{
		{
			preset: "auth0", asks: url.Values{"scope": {usualScopes}}, // the issuer lacks its slash
			rotates: true, lost: dies, lostLate: dies,
			logout: "/v2/logout", carries: []string{"client_id", "returnTo"}, revokes: true, signedOut: true,
		},
		{
			preset: "keycloak", path: "/realms/shop", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: dies, lostLate: dies, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "entra", path: "/contoso/v2.0", asks: url.Values{"scope": {usualScopes}}, scope: usualScopes,
			rotates: true, lost: mended, lostLate: mended, logout: oidc, carries: standard, signedOut: true,
		},
		{
			preset: "okta", path: "/oauth2/default", asks: url.Values{"scope": {usualScopes}}, scope: usualScopes,
			rotates: true, lost: mended, lostLate: mended, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "google", asks: url.Values{"scope": {fewScopes}, "access_type": {"offline"}, "prompt": {"consent"}},
			lost: mended, lostLate: mended,
		},
		{
			preset: "cognito", path: "/pool", asks: url.Values{"scope": {fewScopes}},
			rotates: true, lost: mended, lostLate: mended,
			logout: "/logout", carries: []string{"client_id", "logout_uri"}, revokes: true, signedOut: true,
		},
		{
			preset: "zitadel", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: dies, lostLate: dies, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "authentik", path: "/application/o/shop/", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: dies, lostLate: dies, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "authelia", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: dies, lostLate: dies, revokes: true,
		},
		{
			preset: "dex", path: "/dex", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: mended, lostLate: mended,
		},
		{
			preset: "hydra", path: "/", asks: url.Values{"scope": {usualScopes}},
			rotates: true, lost: dies, lostLate: dies, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "gitlab", asks: url.Values{"scope": {fewScopes}},
			rotates: true, lost: dies, lostLate: dies, revokes: true,
		},
		{
			preset: "ping", path: "/as", asks: url.Values{"scope": {usualScopes}},
			lost: mendedLate, lostLate: mended, logout: oidc, carries: standard, revokes: true, signedOut: true,
		},
		{
			preset: "adfs", path: "/adfs", asks: url.Values{"scope": {usualScopes + " allatclaims"}},
			lost: mended, lostLate: mended, logout: oidc, carries: standard, signedOut: true,
		},
	}
}

// providerKeys are one provider's for all rows: making them takes longer than a row.
var providerKeys = sync.OnceValues(devidp.NewKeys)

func TestEveryPresetHasItsHabits(t *testing.T) {
	t.Parallel()
	for i, name := range preset.Names() {
		if rows := table(); i >= len(rows) || rows[i].preset != name {
			t.Errorf("preset %s has no row in this table", name)
		}
	}
	if !slices.Equal(preset.Names(), devidp.Presets()) {
		t.Errorf("presets %q, manners of %q", preset.Names(), devidp.Presets())
	}
}

// each runs a walk for each provider, in a bubble of its own.
func each(t *testing.T, walk func(t *testing.T, h *parlour, row habits)) {
	t.Helper()
	keys, err := providerKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table() {
		t.Run(row.preset, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				walk(t, openParlour(t, row.preset, row.path, keys, row.lines...), row)
			})
		})
	}
}

func TestALoginAsksForWhatItsProviderWants(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, row habits) {
		asked, s := h.signIn()
		for name := range row.asks {
			if asked.Get(name) != row.asks.Get(name) {
				t.Errorf("%s is %q, want %q", name, asked.Get(name), row.asks.Get(name))
			}
		}
		if s.State().Grant.RefreshToken == "" || s.State().Grant.Subject != "alice" {
			t.Errorf("the session has no refresh token, or is %s's", s.State().Grant.Subject)
		}
	})
}

// Twenty refreshes at a provider that punishes every mistake.
func TestRefreshesGoOnAsTheProviderLikesThem(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, row habits) {
		_, s := h.signIn()
		first := s.State().Grant
		for range 20 {
			time.Sleep(time.Minute)
			if err := h.token(s); err != nil {
				t.Fatal(err)
			}
		}
		last := s.State().Grant
		if changed := last.RefreshToken != first.RefreshToken; row.rotates && !changed {
			t.Error("the refresh token stayed the same")
		}
		if last.IDToken == first.IDToken {
			t.Error("no refresh brought an ID token")
		}
		if st := h.idp.Stats(); st.Refreshes < 20 || st.Reuses != 0 || st.Refused != 0 || row.rotates && st.MaxPresentations != 1 {
			t.Errorf("%+v", st)
		}
		for _, r := range h.idp.Requests() {
			if r.Form.Get("grant_type") == "refresh_token" && r.Form.Get("scope") != row.scope {
				t.Fatalf("a refresh named the scope %q, want %q", r.Form.Get("scope"), row.scope)
			}
		}
	})
}

// A lost answer to a provider that forgives reuse costs nothing, and to one that does not
// no more than it must: the access token is used to its end, and the session ends once.
func TestALostAnswerCostsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, row habits) {
		_, s := h.signIn()
		h.wire.lose.Store(1)
		err := s.Refresh(t.Context())
		if row.lost == mended {
			if err != nil {
				t.Fatalf("the provider forgives, and the refresh failed: %v", err)
			}
			time.Sleep(time.Minute)
			if err := h.token(s); err != nil {
				t.Errorf("later: %v", err)
			}
			return
		}
		failed, ok := errors.AsType[*session.RefreshError](err)
		if !ok || failed.Class != session.Unknown {
			t.Fatalf("got %v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := s.Token(t.Context(), session.Target{}); err != nil {
			t.Errorf("the access token holds, and a request got %v", err)
		}
		if n := h.idp.Stats().TokenRequests; n != 2 { // the code, and the one that was lost
			t.Errorf("%d token requests while the access token holds", n)
		}
		time.Sleep(31 * time.Second)
		h.settle(t, s, row.lost)
	})
}

func TestALostAnswerWithNothingAtHandIsRetriedOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, row habits) {
		_, s := h.signIn()
		time.Sleep(time.Minute)
		h.wire.lose.Store(1)
		h.settle(t, s, row.lostLate)
	})
}

// settle asks for a token after a lost answer, when there is no other, and compares what
// came of it.
func (h *parlour) settle(t *testing.T, s *session.Session, want fate) {
	t.Helper()
	for range 2 {
		err := h.token(s)
		ended, over := errors.AsType[*session.EndedError](err)
		switch {
		case want != dies && err != nil:
			t.Errorf("want a token, got %v", err)
		case want == dies && (!over || ended.Reason != session.OutcomeLost):
			t.Errorf("want the end of the session, got %v", err)
		}
	}
	if want == dies && !slices.Equal(h.ends, []session.Reason{session.OutcomeLost}) {
		t.Errorf("the session ended %v, want once", h.ends)
	}
	if st := h.idp.Stats(); st.Refreshes > 2 || st.MaxPresentations > 2 {
		t.Errorf("%+v", st)
	}
}

// Whatever the provider calls it, and with whatever status, a dead refresh token ends the
// session once.
func TestADeadRefreshTokenEndsTheSessionOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, _ habits) {
		for _, kill := range []func(){
			func() { h.idp.RevokeAll() },
			func() { h.idp.Adjust(func(k *devidp.Knobs) { k.RefreshTokenAbsoluteTTL = time.Second }) },
		} {
			_, s := h.signIn()
			h.ends = nil
			kill()
			time.Sleep(time.Minute)
			for range 3 {
				ended, ok := errors.AsType[*session.EndedError](h.token(s))
				if !ok || ended.Reason != session.TokenRefused {
					t.Fatalf("want the end of the session, got %v", ended)
				}
			}
			if !slices.Equal(h.ends, []session.Reason{session.TokenRefused}) {
				t.Errorf("the session ended %v, want once", h.ends)
			}
		}
	})
}

func TestALogoutGoesTheProvidersWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *parlour, row habits) {
		_, s := h.signIn()
		target := h.signOut()
		var carries []string
		for name := range target.Query() {
			carries = append(carries, name)
		}
		slices.Sort(carries)
		switch {
		case row.logout == "" && target.String() != "/":
			t.Errorf("it led to %s, want nowhere", target.Redacted())
		case row.logout != "" && (!strings.HasSuffix(target.Path, row.logout) || !slices.Equal(carries, row.carries)):
			t.Errorf("it led to %s with %q, want %s with %q", target.Path, carries, row.logout, row.carries)
		}
		if _, err := s.Token(t.Context(), session.Target{}); err == nil {
			t.Error("the session goes on")
		}
		time.Sleep(time.Minute)
		st := h.idp.Stats()
		if (st.Revocations > 0) != row.revokes || (st.Logouts > 0) != row.signedOut {
			t.Errorf("%d revocations, want %t; %d logouts, want %t", st.Revocations, row.revokes, st.Logouts, row.signedOut)
		}
	})
}
