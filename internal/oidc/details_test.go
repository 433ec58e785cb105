package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/internal/oidc"
	"github.com/cloakroom-bff/cloakroom/session"
)

const (
	reading = `{"actions":["read"],"type":"account"}`
	paying  = `{"amount":12.5,"type":"payment"}`
)

func asksForDetails(cfg *oidc.Config) { cfg.AuthorizationDetails = []string{reading, paying} }

// detailsIn are those of a JWT, as JSON.
func detailsIn(t *testing.T, at session.AccessToken) string {
	t.Helper()
	text, err := json.Marshal(claimsOf(t, at)["authorization_details"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestALoginAsksForTheDetailsOfAllRoutesAndEachRouteForItsOwn(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		knobs  devidp.Knobs
		change func(*oidc.Config)
	}{
		{"in the browser", devidp.Knobs{}, asksForDetails},
		{"pushed", devidp.Knobs{Push: devidp.Demanded}, asksForDetails},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.knobs.DetailTypes = []string{"account", "payment"}
			b := setUp(t, row.knobs, row.change)
			g := b.login()
			if got := detailsIn(t, g.Access[session.Target{}]); got != "["+reading+","+paying+"]" {
				t.Errorf("the login got %s", got)
			}
			for _, want := range []string{reading, paying} {
				r, err := b.Refresh(t.Context(), g, session.Target{Details: "[" + want + "]"})
				if err != nil {
					t.Fatal(err)
				}
				if got := detailsIn(t, r.Access); got != "["+want+"]" {
					t.Errorf("a route that asks for %s got %s", want, got)
				}
				g.RefreshToken = r.RefreshToken
			}
		})
	}
}

func TestTheGatewaysOwnTokenAndATradedOneAskForDetails(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DetailTypes: []string{"account"}})
	target := session.Target{Details: "[" + reading + "]"}
	own, err := b.ClientToken(t.Context(), target)
	if err != nil || detailsIn(t, own) != target.Details {
		t.Errorf("the gateway's own: %v", err)
	}
	traded, err := b.ExchangeToken(t.Context(), b.login().Access[session.Target{}], session.AccessToken{}, target)
	if err != nil || detailsIn(t, traded) != target.Details {
		t.Errorf("the traded one: %v", err)
	}
	if got := b.lastForm().Get("authorization_details"); got != target.Details {
		t.Errorf("asked for %s", got)
	}
}

// Another login brings what was configured since the last one. Who has just signed in is not
// sent there again.
func TestDetailsThatARefreshDoesNotBringAskForALoginOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		knobs  devidp.Knobs
		change func(*oidc.Config)
	}{
		{"refused", devidp.Knobs{DetailTypes: []string{"account"}}, func(*oidc.Config) {}},
		{"not granted", devidp.Knobs{}, asksForDetails},
		{"not told", devidp.Knobs{DetailTypes: []string{"account", "payment"}, OmitDetails: true}, asksForDetails},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setUp(t, row.knobs, row.change)
			g := b.login()
			target := session.Target{Details: "[" + paying + "]"}
			renewal, err := b.Refresh(t.Context(), g, target)
			if failed := failureOf(t, err); failed.Class != session.BadScope || failed.Code != "invalid_authorization_details" {
				t.Errorf("just after the login: %v", err)
			}
			if renewal != nil {
				g.RefreshToken = renewal.RefreshToken // it was rotated all the same
			}
			g.IssuedAt = g.IssuedAt.Add(-2 * time.Minute)
			if _, err = b.Refresh(t.Context(), g, target); failureOf(t, err).Class != session.Interaction {
				t.Errorf("long after the login: %v", err)
			}
			if s := b.idp.Stats(); s.MaxPresentations > 1 && row.name != "refused" {
				t.Errorf("a refresh token came %d times", s.MaxPresentations)
			}
		})
	}
}

func TestAGrantHasToCoverTheTypesThatWereAskedFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		granted string
		good    bool
	}{
		{`[{"type":"account"},{"type":"payment","amount":12.5,"id":"x"}]`, true},
		{`[{"type":"account"}]`, false},
		{`[]`, false},
		{`null`, false},
		{`"payment"`, false},
		{`[{"type":["payment"]}]`, false},
		{`{"type":"payment"}`, false},
	} {
		c := desk(t, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(t, w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "Bearer", "authorization_details": json.RawMessage(row.granted)})
		})
		if _, err := c.Refresh(t.Context(), grantOf(c), session.Target{Details: "[" + paying + "]"}); (err == nil) != row.good {
			t.Errorf("%s: %v", row.granted, err)
		}
	}
}

func TestALoginThatIsRefusedForItsDetailsSaysSo(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{DetailTypes: []string{"account"}, Push: devidp.Offered}, asksForDetails)
	_, err := b.AuthorizationURL(t.Context(), attempt())
	if refused := refusalOf(t, err); refused.Code != "invalid_authorization_details" {
		t.Error(err)
	}
}

func TestNoBrowserChoosesTheDetails(t *testing.T) {
	t.Parallel()
	b := setUp(t, devidp.Knobs{}, asksForDetails)
	a := attempt()
	a.Params = url.Values{"authorization_details": {"[" + paying + "]"}}
	if _, err := b.AuthorizationURL(t.Context(), a); refusalOf(t, err).Code != "invalid_request" {
		t.Error(err)
	}
}

func TestDetailsAreObjectsWithATypeEach(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "{}", "[]", "null", "[1]", "[{}]", `[{"type":""}]`, `[{"type":1}]`, `[{"type":"a"}`, `[{"type":"a"}] []`} {
		if types, err := oidc.DetailTypes(bad); err == nil {
			t.Errorf("%s has the types %q", bad, types)
		}
	}
	if got, err := oidc.DetailTypes("[" + reading + "," + paying + "]"); err != nil || !reflect.DeepEqual(got, []string{"account", "payment"}) {
		t.Errorf("%q, %v", got, err)
	}
	cfg := config(t, "https://id.example.com")
	cfg.AuthorizationDetails = []string{"{}"}
	if _, err := oidc.New(cfg); err == nil {
		t.Error("details without a type are taken")
	}
}
