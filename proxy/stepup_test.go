package proxy

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
	"github.com/cloakroom-bff/cloakroom/session"
)

// vault is a counter with a route that wants a strong and fresh login.
func vault(t testing.TB) *counter {
	t.Helper()
	return newCounter(t, nil, Route{Path: "/api/"}, Route{Path: "/vault/", Require: Require{ACR: []string{"gold", "platinum"}, MaxAge: 10 * time.Minute}})
}

// stepUp navigates to a page, is sent to the login, and signs in there.
func (b *browser) stepUp(t testing.TB, page, login string) *http.Response {
	t.Helper()
	res := b.visit(t, "same-origin", page)
	if res.StatusCode != http.StatusFound {
		t.Fatalf("%s: %s", page, res.Status)
	}
	return b.visit(t, "cross-site", b.atProvider(t, b.startLogin(t, res.Header.Get("Location")), login))
}

func TestAStepUpGoesOnWithTheSession(t *testing.T) {
	c := vault(t)
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	old, ticket := c.live(t, "alice")[0], b.cookie("cloakroom")
	before := b.session(t)

	refused := b.fetch(t, http.MethodGet, "/vault/deed")
	wantProblem(t, refused, http.StatusUnauthorized, StepUpRequired)
	login := decode[problemBody](t, refused).LoginURL
	if q := queryOf(t, b.startLogin(t, login)); q.Get("acr_values") != "gold platinum" || q.Get("max_age") != "600" {
		t.Errorf("the login asks for %v", q)
	}
	if got := hopTarget(t, b.stepUp(t, "/vault/deed?page=1", "alice")); got != "/vault/deed?page=1" {
		t.Errorf("it comes back to %s", got)
	}
	if res := b.fetch(t, http.MethodGet, "/vault/deed"); res.StatusCode != http.StatusOK || c.up.hits() != 1 {
		t.Errorf("%s after %d calls", res.Status, c.up.hits())
	}
	live := c.live(t, "alice")
	if len(live) != 1 || live[0].ID() == old.ID() || !live[0].State().Deadline.Equal(old.State().Deadline) || b.cookie("cloakroom") == ticket {
		t.Error("it is not the same session under a new ticket")
	}
	if now := b.session(t); before.ACR != nil || now.ACR == nil || *now.ACR != "gold" || *now.AuthTime < *before.AuthTime {
		t.Errorf("acr %v became %v", before.ACR, now.ACR)
	}
}

// One round, and then a page: the session is as it was.
func TestAProviderThatIgnoresAStepUpMakesNoCircle(t *testing.T) {
	c := vault(t)
	c.provider.Adjust(func(k *devidp.Knobs) { k.IgnoreStepUp = true })
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	res := b.stepUp(t, "/vault/deed", "")
	wantProblem(t, res, http.StatusBadRequest, LoginFailed)
	page := readAll(t, res)
	if !strings.Contains(page, "did not confirm the kind of sign-in") || !strings.Contains(page, demandParam+"=") {
		t.Errorf("the page does not say so, or leads nowhere: %s", page)
	}
	if res := b.fetch(t, http.MethodGet, "/api/"); res.StatusCode != http.StatusOK || len(c.live(t, "alice")) != 1 {
		t.Errorf("the session has suffered: %s", res.Status)
	}
}

func TestWhoLacksAClaimIsNotSentToStepUp(t *testing.T) {
	c := newCounter(t, nil, Route{Path: "/vault/", Require: Require{ACR: []string{"gold"}, Claims: map[string][]string{"roles": {"pilot"}}}})
	wants(t, c.signIn(t).get(t, "/vault/"), 403, ClaimRequired)
}

func TestABrowserCannotMakeUpADemand(t *testing.T) {
	c, other := vault(t), vault(t)
	b := c.browser(t)
	forged, err := other.gateway.sealDemand(map[string]string{"claims": "{}"})
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.gateway.sealState(state{id: "AAAAAAAAAAAAAAAAAAAAAAAAAA", returnURL: "/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "x", `{"acr_values":"gold"}`, forged, state} {
		q := queryOf(t, b.startLogin(t, "/bff/login?"+url.Values{demandParam: {value}}.Encode()))
		if q.Has("acr_values") || q.Has("max_age") || q.Has("claims") || q.Has(demandParam) {
			t.Errorf("%q: the provider is asked for %v", value, q)
		}
	}
	// What login_params do not name is not to be had in the clear, either.
	wantProblem(t, b.visit(t, "same-origin", "/bff/login?acr_values=gold"), http.StatusBadRequest, BadRequest)
}

func TestAnUpstreamsStepUpBecomesALogin(t *testing.T) {
	const gold = `Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"`
	for _, row := range []struct {
		name, path, challenge string
		demand                bool
	}{
		{"for a user", "/api/", gold, true},
		{"for a traded token", "/traded/", gold, true},
		{"for a token of the gateway's own", "/machine/", gold, false},
		{"where no token was sent", "/bare/", gold, false},
		{"without a wish", "/api/", `Bearer error="insufficient_user_authentication"`, false},
		{"with one that no login grants", "/api/", `Bearer error="insufficient_user_authentication", max_age="soon"`, false},
		{"that the session has granted", "/api/", `Bearer error="insufficient_user_authentication", max_age="60"`, false},
		{"in another provider's manner", "/api/", `Bearer error="insufficient_claims", claims="{}"`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, c := newMoody(t, Route{Path: "/api/"}, Route{Path: "/traded/", Token: ExchangedToken}, Route{Path: "/machine/", Token: ClientToken}, Route{Path: "/bare/", Token: NoToken})
			g := c.signIn(t)
			m.mood(1, row.challenge)
			w := g.get(t, row.path)
			if c.up.hits() != 1 || c.provider.Stats().Refreshes != 0 {
				t.Errorf("%d calls, %d refreshes", c.up.hits(), c.provider.Stats().Refreshes)
			}
			if !row.demand {
				wants(t, w, 401, "")
				if w.Body.String() != "the API refuses" || w.Header().Get("WWW-Authenticate") != row.challenge {
					t.Errorf("the API's own answer is changed: %v %s", w.Header(), w.Body)
				}
				return
			}
			wants(t, w, 401, StepUpRequired)
			var body problemBody
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.LoginURL == "" || w.Header().Get("X-From") != "" {
				t.Errorf("%v: %v %s", err, w.Header(), w.Body)
			}
		})
	}
}

func TestANavigationToAnAPIThatWantsMoreComesBackWithMore(t *testing.T) {
	m, c := newMoody(t)
	b := c.browser(t)
	b.signIn(t, "alice", "/")
	m.mood(1, `Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"`)
	back := hopTarget(t, b.stepUp(t, "/api/report?year=1", "alice"))
	if res := b.visit(t, "same-origin", back); back != "/api/report?year=1" || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", back, res.Status)
	}
	// An API that is not content with what it got is not asked for ever.
	m.mood(1, `Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"`)
	res := b.visit(t, "same-origin", back)
	if got := readAll(t, res); res.StatusCode != http.StatusUnauthorized || got != "the API refuses" {
		t.Errorf("%s: %s", res.Status, got)
	}
}

// The claims of such a challenge are long: they go to the provider, and into no cookie.
func TestAClaimsChallengeGoesToTheProviderAsItCame(t *testing.T) {
	claims := `{"access_token":{"acrs":{"essential":true,"value":"` + strings.Repeat("<", 1450) + "\\n\"}}\n}"
	c := newCounter(t, nil)
	c.gateway.cfg.ClaimsChallenges = true
	x := &exchange{who: &session.Session{}, kind: UserToken, state: &session.State{}}
	quoted := strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(claims)
	err := c.gateway.challenged(x, &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_claims", claims="` + quoted + `"`}}})
	p := c.gateway.withLogin(c.gateway.problemOf(err))
	b := c.browser(t)
	if got := queryOf(t, b.startLogin(t, p.LoginURL)).Get("claims"); got != claims {
		t.Errorf("the provider is asked for %.100q: %v", got, err)
	}
	for name, cookie := range b.jar {
		if len(cookie.Value) > 1200 {
			t.Errorf("cookie %s has %d bytes", name, len(cookie.Value))
		}
	}
}

func TestAFrontProxyIsToldOfTheStepUp(t *testing.T) {
	f := entrance(t, func(c *Config) {
		c.Routes = append(c.Routes, Route{Path: "/vault/", Upstream: mustURL("http://127.0.0.1:1"), Require: Require{MaxAge: time.Minute}})
	})
	_, ticket := f.signIn(t, time.Hour) // whose provider did not say when
	for _, d := range dialects {
		res := f.ask(t, d, question{"GET", "/vault/deed", publicHost}, "Cookie: "+f.cookie(ticket), "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")
		mustFail(t, res, StepUpRequired)
		if q := queryOf(t, res.Header.Get("X-Cloakroom-Login")); q.Get("returnUrl") != "/vault/deed" || f.openDemand(q.Get(demandParam))["max_age"] != "60" {
			t.Errorf("%s: %v", d, res.Header)
		}
		page := f.ask(t, d, question{"GET", "/vault/deed", publicHost}, "Cookie: "+f.cookie(ticket), "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
		to := page.Header.Get("Location")
		if d == nginx {
			to = page.Header.Get("X-Cloakroom-Navigate")
		}
		if f.openDemand(queryOf(t, to).Get(demandParam))["max_age"] != "60" {
			t.Errorf("%s sends a navigation to %q", d, to)
		}
	}
}

func queryOf(t testing.TB, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
