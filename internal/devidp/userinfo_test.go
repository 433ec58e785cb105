package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-bff/cloakroom/internal/devidp"
)

func TestUserInfoTakesTheTokenInTheHeaderOnly(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	at := p.login().str("access_token")
	if r := p.userinfo(at); r.status != http.StatusOK || r.str("sub") != "alice" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, %v", r.status, r.json)
	}
	if r := p.get(p.endpoint("/userinfo?") + url.Values{"access_token": {at}}.Encode()); r.status != http.StatusBadRequest {
		t.Errorf("in the URL: status %d", r.status)
	}
	if r := p.get(p.endpoint("/userinfo")); r.status != http.StatusUnauthorized || strings.Contains(r.header.Get("WWW-Authenticate"), "error") {
		t.Errorf("no token: status %d, %q", r.status, r.header.Get("WWW-Authenticate"))
	}
	if r := p.userinfo("guess"); r.status != http.StatusUnauthorized || !strings.Contains(r.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("a guess: status %d, %q", r.status, r.header.Get("WWW-Authenticate"))
	}
	p.idp.Adjust(func(k *devidp.Knobs) { k.ClockOffset = time.Hour })
	if r := p.userinfo(at); r.status != http.StatusUnauthorized || p.idp.Active(at) {
		t.Errorf("an expired token: status %d", r.status)
	}
}

func TestUserInfoCanBeSpoilt(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{})
	at := p.login().str("access_token")
	turn := func(f devidp.UserInfoFault) reply {
		p.idp.Adjust(func(k *devidp.Knobs) { k.UserInfoFault = f })
		return p.userinfo(at)
	}
	if r := turn(devidp.UserInfoWrongSub); r.str("sub") != "mallory" {
		t.Errorf("wrong sub: %v", r.json)
	}
	if r := turn(devidp.UserInfoError); r.status != http.StatusInternalServerError {
		t.Errorf("500: status %d", r.status)
	}
	if r := turn(devidp.UserInfoArray); !strings.HasPrefix(r.text, "[") {
		t.Errorf("array: %s", r.text)
	}
}

func TestUserInfoCanBeSigned(t *testing.T) {
	t.Parallel()
	p := newParty(t, devidp.Knobs{SignedUserInfo: true, IDTokenAlg: "ES256"})
	r := p.userinfo(p.login().str("access_token"))
	if claims := payload(t, r.text); r.header.Get("Content-Type") != "application/jwt" || claims["sub"] != "alice" || claims["aud"] != "app:1" || claims["iss"] != p.idp.URL {
		t.Errorf("%s %v", r.header.Get("Content-Type"), claims)
	}
	if got := p.verdict(r.text); got != "" {
		t.Errorf("signature: %q", got)
	}
}
