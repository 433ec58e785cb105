package devidp_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func (r reply) details() string {
	text, _ := json.Marshal(r.json["authorization_details"])
	return string(text)
}

func TestDetailsAreGrantedAtALoginAndNarrowedAtARefresh(t *testing.T) {
	t.Parallel()
	const all = `[{"type":"account"},{"amount":1,"type":"payment"}]`
	p := newParty(t, devidp.Knobs{DetailTypes: []string{"account", "payment"}})
	last := p.mustAnswer(p.post("/token", p.codeForm(p.signIn(url.Values{"authorization_details": {all}}).Get("code"))))
	if last.details() != all {
		t.Errorf("the login got %s", last.details())
	}
	for _, row := range []struct{ asked, want, code string }{
		{`[{"type":"payment","amount":1}]`, `[{"amount":1,"type":"payment"}]`, ""},
		{``, all, ""},
		{`[{"type":"payment","amount":2}]`, ``, "invalid_authorization_details"},
		{`[{"type":"other"}]`, ``, "invalid_authorization_details"},
		{`payment`, ``, "invalid_authorization_details"},
	} {
		form := refreshForm(last.str("refresh_token"))
		if row.asked != "" {
			form.Set("authorization_details", row.asked)
		}
		r := p.post("/token", form)
		if row.code != "" {
			p.mustRefuse(r, row.code)
			continue
		}
		if last = p.mustAnswer(r); last.details() != row.want {
			t.Errorf("%s: got %s", row.asked, last.details())
		}
	}
	if got := p.signIn(url.Values{"authorization_details": {`[{"type":"other"}]`}}).Get("error"); got != "invalid_authorization_details" {
		t.Errorf("an unknown type at a login: %q", got)
	}
}

func TestATokenIsForOneOfTheResourcesOfItsLogin(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{ResourcesByLogin: true})
	for _, row := range []struct {
		named []string
		good  bool
	}{{nil, true}, {[]string{"urn:b"}, true}, {[]string{"urn:a", "urn:b"}, false}, {[]string{"urn:c"}, false}} {
		form := p.codeForm(p.signIn(url.Values{"resource": {"urn:a", "urn:b"}}).Get("code"))
		form["resource"] = row.named
		r := p.post("/token", form)
		if !row.good {
			p.mustRefuse(r, "invalid_target")
			continue
		}
		next := refreshForm(p.mustAnswer(r).str("refresh_token"))
		next.Set("resource", "urn:c")
		p.mustRefuse(p.post("/token", next), "invalid_target")
		next.Set("resource", "urn:a")
		p.mustAnswer(p.post("/token", next))
	}
}

func TestOnlyTheClientsOwnTokenMakesItAnActor(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	const kind = "urn:ietf:params:oauth:token-type:access_token"
	user := p.login().str("access_token")
	own := p.mustAnswer(p.post("/token", url.Values{"grant_type": {"client_credentials"}})).str("access_token")
	for actor, good := range map[string]bool{own: true, user: false, "made-up": false} {
		r := p.post("/token", url.Values{
			"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token": {user}, "subject_token_type": {kind}, "actor_token": {actor}, "actor_token_type": {kind},
		})
		if good != (r.status == 200) {
			t.Errorf("good is %t: %d %s", good, r.status, r.str("error_description"))
		}
	}
}
